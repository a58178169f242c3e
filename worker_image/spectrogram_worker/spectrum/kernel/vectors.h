/* Vectors, and how their elements change places. */

typedef REAL vec __attribute__((vector_size(BYTES)));
typedef INTEGER mask __attribute__((vector_size(BYTES)));
typedef REAL unaligned __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef struct {
    vec re, im;
} point;

#undef ALL
#if LANES == 16
#define ALL(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#elif LANES == 8
#define ALL(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#elif LANES == 4
#define ALL(f) f(0), f(1), f(2), f(3)
#else
#define ALL(f) f(0), f(1)
#endif

#undef LOAD
#define LOAD(place) (*(const unaligned *)(place))

/* Which elements of two vectors a shuffle takes. A quarter has 128 bits: within it shuffles cost the least. */
#undef QUARTER
#define QUARTER (16 * LANES / BYTES)
#undef LOW
#undef HIGH
#undef LOW_PAIRS
#undef HIGH_PAIRS
#define LOW(lane) ((lane) - (lane) % QUARTER + (lane) % QUARTER / 2 + (lane) % 2 * LANES)
#define HIGH(lane) (LOW(lane) + QUARTER / 2)
#define LOW_PAIRS(lane) ((lane) - (lane) % QUARTER + (lane) % 2 + (lane) % QUARTER / 2 * LANES)
#define HIGH_PAIRS(lane) (LOW_PAIRS(lane) + QUARTER / 2)
#undef FIRST_HALVES
#undef LAST_HALVES
#undef EVEN_QUARTERS
#undef ODD_QUARTERS
#define FIRST_HALVES(lane) ((lane) < LANES / 2 ? (lane) : (lane) + LANES / 2)
#define LAST_HALVES(lane) (FIRST_HALVES(lane) + LANES / 2)
#define EVEN_QUARTERS(lane) ((lane) / QUARTER * 2 * QUARTER + (lane) % QUARTER)
#define ODD_QUARTERS(lane) (EVEN_QUARTERS(lane) + QUARTER)
#undef SHUFFLE
#define SHUFFLE(a, b, which) __builtin_shuffle(a, b, (mask){ALL(which)})

/* Transposes LANES × LANES elements: each quarter by itself, then the quarters. */
ALWAYS_INLINE void NAME(transpose)(vec rows[LANES])
{
    vec found[LANES];
    for (int i = 0; i < LANES; i += 2) {
        found[i] = SHUFFLE(rows[i], rows[i + 1], LOW);
        found[i + 1] = SHUFFLE(rows[i], rows[i + 1], HIGH);
    }
    for (int i = 0; i < LANES; i += QUARTER)
        if (QUARTER == 2)
            rows[i] = found[i], rows[i + 1] = found[i + 1];
        else
            for (int k = 0; k < 2; k++) {
                rows[i + 2 * k] = SHUFFLE(found[i + k], found[i + k + 2], LOW_PAIRS);
                rows[i + 2 * k + 1] = SHUFFLE(found[i + k], found[i + k + 2], HIGH_PAIRS);
            }
#if BYTES == 32
    for (int i = 0; i < QUARTER; i++) {
        vec first = rows[i], second = rows[i + QUARTER];
        rows[i] = SHUFFLE(first, second, FIRST_HALVES);
        rows[i + QUARTER] = SHUFFLE(first, second, LAST_HALVES);
    }
#elif BYTES == 64
    for (int i = 0; i < QUARTER; i++) {
        vec first = SHUFFLE(rows[i], rows[i + QUARTER], FIRST_HALVES);
        vec second = SHUFFLE(rows[i + 2 * QUARTER], rows[i + 3 * QUARTER], FIRST_HALVES);
        vec third = SHUFFLE(rows[i], rows[i + QUARTER], LAST_HALVES);
        vec fourth = SHUFFLE(rows[i + 2 * QUARTER], rows[i + 3 * QUARTER], LAST_HALVES);
        rows[i] = SHUFFLE(first, second, EVEN_QUARTERS);
        rows[i + QUARTER] = SHUFFLE(first, second, ODD_QUARTERS);
        rows[i + 2 * QUARTER] = SHUFFLE(third, fourth, EVEN_QUARTERS);
        rows[i + 3 * QUARTER] = SHUFFLE(third, fourth, ODD_QUARTERS);
    }
#endif
}

/* A square of LANES × LANES elements, its rows `from_stride` apart, is put transposed to rows `to_stride` apart. */
ALWAYS_INLINE void NAME(put_transposed)(const REAL *from, ptrdiff_t from_stride, REAL *to, ptrdiff_t to_stride)
{
    vec rows[LANES];
    for (int i = 0; i < LANES; i++)
        rows[i] = LOAD(from + i * from_stride);
    NAME(transpose)(rows);
    for (int i = 0; i < LANES; i++)
        *(unaligned *)(to + i * to_stride) = rows[i];
}

/* LANES complex numbers from pairs. */
#undef EVEN
#undef ODD
#define EVEN(lane) (2 * (lane))
#define ODD(lane) (2 * (lane) + 1)
ALWAYS_INLINE point NAME(apart)(vec low, vec high)
{
    return (point){SHUFFLE(low, high, EVEN), SHUFFLE(low, high, ODD)};
}
