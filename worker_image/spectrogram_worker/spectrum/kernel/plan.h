/* What is the same for all frames of a job; `_Plan` in compiled_kernel.py. Tables hold numbers of the plan's precision,
   complex ones in two planes, real parts and then imaginary parts, where it says nothing else. */

enum operation { SUM = 0, MAXIMUM = 1, MINIMUM = 2 };

/* A Fourier transform in steps: one for each radix, and the radices' product is the number of points. */
struct line {
    int64_t points;
    int64_t steps;          /* 2 or more */
    const int32_t *radices; /* (steps): 2, 3, 4, 5, 7, 8 */
    const void *twiddles;   /* of each step but the last: (points left / radix, radix − 1) pairs */
};

struct plan {
    const void *window[2];     /* (points) each: for the numbers at even and at odd places of a frame; 0 beyond its end */
    const void *twiddles;      /* (rows, columns): exp(−2πi row · column / points) */
    const void *halves;        /* of real samples: (points): exp(−πi k / points) */
    const int32_t *operations; /* (reductions) */
    struct line column;        /* the points as a matrix: the transform of a column, as long as there are rows, */
    struct line row;           /* and of a row. With one row alone frames lie beside each other, one in each lane */
    int64_t covered;           /* numbers of a frame: its samples, or twice as many if they are complex */
    int64_t stride;            /* from column to column of the transposed matrix, no less than there are rows */
    int64_t reductions;
    int32_t is_real;
    int32_t detrend;
    int32_t is_double;
};

/* Numbers of a frame that must be prepared before its transform: as many as it has, or none. */
static inline int64_t prepared_numbers(const struct plan *plan)
{
    int64_t numbers = 2 * plan->row.points * plan->column.points;
    return plan->detrend || plan->covered < numbers ? numbers : 0;
}
