/* Fourier transforms of any product of 2, 3, 4, 5, 7, 8 and 16, one in each lane: Stockham's, step by step.

   The points go to and fro between two buffers. The first step takes them from where they are, the last one puts them
   where they shall be; `ends` says where. */

enum NAME(end) {
    NAME(BUFFER),   /* from or to a buffer: (points) */
    NAME(SAMPLES),  /* from the columns of the matrix that a frame is, windowed */
    NAME(PLANES),   /* from the rows of the transposed matrix, or to a spectrum */
    NAME(ROTATED),  /* to a buffer, rotated as the rows' transforms need it */
    NAME(POWER),    /* to |X|² */
    NAME(SUM),      /* added to the |X|² that is there */
};

struct NAME(ends) {
    ptrdiff_t columns;                   /* from row to row of what follows: all of the column in lane 0 */
    const REAL *samples;                 /* pairs */
    ptrdiff_t ahead;                     /* so many numbers on are the samples that are wanted next */
    const REAL *window[2];
    const REAL *twiddle_re, *twiddle_im;
    const REAL *in_re, *in_im;           /* planes: the first point of lane 0, */
    ptrdiff_t in_stride;                 /* and from point to point */
    REAL *out_re, *out_im;
    ptrdiff_t out_stride;
};

ALWAYS_INLINE point NAME(fetch)(const int source, const struct NAME(ends) *ends, const point *from, ptrdiff_t place)
{
    if (source == NAME(SAMPLES)) {
        ptrdiff_t of_row = place * ends->columns;
        const REAL *samples = ends->samples + 2 * of_row;
        __builtin_prefetch(samples + ends->ahead, 0, 2);
        __builtin_prefetch(samples + ends->ahead + LANES, 0, 2);
        point pairs = NAME(apart)(LOAD(samples), LOAD(samples + LANES));
        return (point){pairs.re * LOAD(ends->window[0] + of_row), pairs.im * LOAD(ends->window[1] + of_row)};
    }
    if (source == NAME(PLANES))
        return (point){LOAD(ends->in_re + place * ends->in_stride), LOAD(ends->in_im + place * ends->in_stride)};
    return from[place];
}

ALWAYS_INLINE void NAME(put)(const int target, const struct NAME(ends) *ends, point *to, ptrdiff_t place, point value)
{
    if (target == NAME(ROTATED)) {
        ptrdiff_t of_row = place * ends->columns;
        to[place] = NAME(rotate)(value, LOAD(ends->twiddle_re + of_row), LOAD(ends->twiddle_im + of_row));
    } else if (target == NAME(POWER)) {
        *(unaligned *)(ends->out_re + place * ends->out_stride) = value.re * value.re + value.im * value.im;
    } else if (target == NAME(SUM)) {
        *(unaligned *)(ends->out_re + place * ends->out_stride) += value.re * value.re + value.im * value.im;
    } else if (target == NAME(PLANES)) {
        *(unaligned *)(ends->out_re + place * ends->out_stride) = value.re;
        *(unaligned *)(ends->out_im + place * ends->out_stride) = value.im;
    } else
        to[place] = value;
}

/* One step of `points` points, of which transforms of `done` points are made; `twiddles`: (count, radix − 1). */
ALWAYS_INLINE void NAME(step)(const int radix, const int source, const int target, const struct NAME(ends) *ends,
                              const point *from, point *to, ptrdiff_t points, ptrdiff_t done, const REAL *twiddles)
{
    ptrdiff_t far = points / radix, count = target == NAME(BUFFER) ? far / done : 1;
    if (source != NAME(BUFFER))
        done = 1;
    for (ptrdiff_t p = 0; p < count; p++, twiddles += 2 * (radix - 1))
        for (ptrdiff_t q = 0; q < done; q++) {
            point in[16], out[16];
            _Pragma("GCC unroll 16")
            for (int j = 0; j < radix; j++)
                in[j] = NAME(fetch)(source, ends, from, q + done * p + far * j);
            NAME(butterfly)(radix, in, out);
            NAME(put)(target, ends, to, q + done * radix * p, out[0]);
            _Pragma("GCC unroll 16")
            for (int j = 1; j < radix; j++) {
                point value = out[j];
                if (target == NAME(BUFFER) && p > 0) {
                    const REAL re = twiddles[2 * (j - 1)], im = twiddles[2 * (j - 1) + 1];
                    value = (point){value.re * re - value.im * im, value.re * im + value.im * re};
                }
                NAME(put)(target, ends, to, q + done * (radix * p + j), value);
            }
        }
}

#undef STEP
#define STEP(name, source, target)                                                                                   \
    static void NAME(name)(int radix, const struct NAME(ends) *ends, const point *from, point *to, ptrdiff_t points, \
                           ptrdiff_t done, const REAL *twiddles)                                                     \
    {                                                                                                                \
        switch (radix) {                                                                                             \
        case 2:                                                                                                      \
            NAME(step)(2, source, target, ends, from, to, points, done, twiddles);                                   \
            break;                                                                                                   \
        case 3:                                                                                                      \
            NAME(step)(3, source, target, ends, from, to, points, done, twiddles);                                   \
            break;                                                                                                   \
        case 4:                                                                                                      \
            NAME(step)(4, source, target, ends, from, to, points, done, twiddles);                                   \
            break;                                                                                                   \
        case 5:                                                                                                      \
            NAME(step)(5, source, target, ends, from, to, points, done, twiddles);                                   \
            break;                                                                                                   \
        case 7:                                                                                                      \
            NAME(step)(7, source, target, ends, from, to, points, done, twiddles);                                   \
            break;                                                                                                   \
        case 8:                                                                                                      \
            NAME(step)(8, source, target, ends, from, to, points, done, twiddles);                                   \
            break;                                                                                                   \
        default:                                                                                                     \
            NAME(step)(16, source, target, ends, from, to, points, done, twiddles);                                  \
        }                                                                                                            \
    }

/* One step alone, or the first, those between, and the last. */
STEP(samples_to_rotated, NAME(SAMPLES), NAME(ROTATED))
STEP(planes_to_planes, NAME(PLANES), NAME(PLANES))
STEP(planes_to_power, NAME(PLANES), NAME(POWER))
STEP(planes_to_sum, NAME(PLANES), NAME(SUM))
STEP(from_samples, NAME(SAMPLES), NAME(BUFFER))
STEP(from_planes, NAME(PLANES), NAME(BUFFER))
STEP(between, NAME(BUFFER), NAME(BUFFER))
STEP(to_rotated, NAME(BUFFER), NAME(ROTATED))
STEP(to_planes, NAME(BUFFER), NAME(PLANES))
STEP(to_power, NAME(BUFFER), NAME(POWER))
STEP(to_sum, NAME(BUFFER), NAME(SUM))

typedef void (*NAME(any_step))(int, const struct NAME(ends) *, const point *, point *, ptrdiff_t, ptrdiff_t, const REAL *);

/* A whole transform. Returns where its points are, if they are in a buffer. */
ALWAYS_INLINE const point *NAME(transform)(const struct line *line, NAME(any_step) only, NAME(any_step) first,
                                           NAME(any_step) last, const struct NAME(ends) *ends, point *one, point *other)
{
    const REAL *twiddles = line->twiddles;
    ptrdiff_t points = line->points, done = line->radices[0], steps = line->steps;
    (steps == 1 ? only : first)(line->radices[0], ends, NULL, one, points, 1, twiddles);
    twiddles += 2 * (points / done) * (done - 1);
    for (ptrdiff_t k = 1; k < steps; k++) {
        ptrdiff_t radix = line->radices[k];
        (k < steps - 1 ? NAME(between) : last)(radix, ends, one, other, points, done, twiddles);
        done *= radix;
        twiddles += 2 * (points / done) * (radix - 1);
        point *result = other;
        other = one, one = result;
    }
    return one;
}
