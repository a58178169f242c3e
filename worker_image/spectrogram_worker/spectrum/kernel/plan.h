/* What is the same for all frames of a job; `Plan` in compiled/structures.py. Tables hold numbers of the plan's precision,
   complex ones in two planes, real parts and then imaginary parts, where it says nothing else. */

enum operation { SUM = 0, MAXIMUM = 1, MINIMUM = 2 };

/* A Fourier transform in steps: one for each radix, and the radices' product is the number of points. */
struct line {
    int64_t points;
    int64_t steps;
    const int32_t *radices; /* (steps): 2, 3, 4, 5, 7, 8, 16 */
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

/* Frames in memory, and where their power belongs. */
struct frames {
    const char *samples;
    int64_t begin;          /* the offset that `samples` has itself */
    int64_t before;         /* the block of the frame before the first one, −1 for none */
    const int64_t *offsets; /* (frames): of each one's first sample, in bytes */
    const int64_t *blocks;  /* (frames): the block of each; those of a block follow each other */
};

/* Samples that lie in files as numbers of one kind in this machine's byte order; `FileSamples` in compiled/structures.py. */
enum number { INT_8, UINT_8, INT_16, FLOAT_32, FLOAT_64 };

struct file_range {
    int64_t file;   /* its descriptor */
    int64_t offset; /* of the first sample, in bytes */
    int64_t samples;
};

struct file_samples {
    const struct file_range *ranges; /* (count): one follows the other */
    int64_t count;
    int64_t counted; /* of so many samples, from the first on, those at full scale are counted */
    int64_t piece;   /* bytes of a read: some pages */
    double shift;    /* is added to integers that were scaled */
    int32_t number;  /* what a sample, or each half of one, is: an `enum number` */
    int32_t padded;  /* whether the least integer may stand for a sample that is missing */
};

/* Columns of which all blocks are there; `Columns` in compiled/structures.py. Strides count numbers. */
struct columns {
    int64_t count;
    int64_t rows;              /* blocks of each */
    int64_t row_stride;        /* from block to block */
    int64_t reductions;
    int64_t reduction_stride;  /* 0 where all reductions are the same */
    const int32_t *operations; /* (reductions) */
    const double *scales;      /* (count): what sums are multiplied by */
    int64_t slices;            /* of the bins that are kept: */
    int64_t slice[2][2];       /* the first bin of the transform's output, and how many */
};

/* Numbers of a frame that must be prepared before its transform: as many as it has, or none. */
static inline int64_t prepared_numbers(const struct plan *plan)
{
    int64_t numbers = 2 * plan->row.points * plan->column.points;
    return plan->detrend || plan->covered < numbers ? numbers : 0;
}

/* Whether a frame is not the first of its block. */
static inline int continues_block(const struct frames *frames, ptrdiff_t number)
{
    return frames->blocks[number] == (number > 0 ? frames->blocks[number - 1] : frames->before);
}
