/* The kernel for vectors of LANES floats; kernel.c includes this once for each width.

   One frame lies in each lane, so that a Fourier transform of LANES frames is written as one of one frame, no frame ever
   sees another, and a frame's power is the same, bit by bit, for every width and whatever its neighbours are. */

#define JOIN_AGAIN(name, lanes) name##_##lanes
#define JOIN(name, lanes) JOIN_AGAIN(name, lanes)
#define NAME(name) JOIN(name, LANES)

#define vec NAME(vec)
#define mask NAME(mask)
#define unaligned NAME(unaligned)
#define point NAME(point)

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));
typedef float unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef struct {
    vec re, im;
} point;

#if LANES == 16
#define ALL(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s), \
                  f(8, s), f(9, s), f(10, s), f(11, s), f(12, s), f(13, s), f(14, s), f(15, s)
#elif LANES == 8
#define ALL(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s)
#else
#define ALL(f, s) f(0, s), f(1, s), f(2, s), f(3, s)
#endif

/* Rows i and i + s exchange two of the four squares of s × s elements that they share with others of their kind. */
#define OF_LOWER(lane, s) ((lane) & (s) ? LANES + (lane) - (s) : (lane))
#define OF_UPPER(lane, s) ((lane) & (s) ? LANES + (lane) : (lane) + (s))
#define EXCHANGE(s)                                                              \
    for (int i = 0; i < LANES; i++)                                              \
        if (!(i & (s))) {                                                        \
            vec lower = rows[i], upper = rows[i + (s)];                          \
            rows[i] = __builtin_shuffle(lower, upper, (mask){ALL(OF_LOWER, s)}); \
            rows[i + (s)] = __builtin_shuffle(lower, upper, (mask){ALL(OF_UPPER, s)}); \
        }

/* Transposes LANES × LANES elements (Eklundh 1972). */
static inline void NAME(transpose)(vec rows[LANES])
{
#if LANES > 8
    EXCHANGE(8)
#endif
#if LANES > 4
    EXCHANGE(4)
#endif
    EXCHANGE(2)
    EXCHANGE(1)
}

static inline point NAME(turned)(vec re, vec im, root by)
{
    return (point){re * by.re - im * by.im, re * by.im + im * by.re};
}

/* Windowed frames, a lane each, to `floats` vectors; what the window does not cover is zero. */
static void NAME(load)(const float *const frames[LANES], const float *window, ptrdiff_t covered, ptrdiff_t floats, vec *to)
{
    ptrdiff_t place = 0;
    for (; place + LANES <= covered; place += LANES) {
        vec rows[LANES];
        for (int i = 0; i < LANES; i++)
            rows[i] = *(const unaligned *)(frames[i] + place) * *(const unaligned *)(window + place);
        NAME(transpose)(rows);
        for (int i = 0; i < LANES; i++)
            to[place + i] = rows[i];
    }
    for (; place < covered; place++)
        for (int i = 0; i < LANES; i++)
            to[place][i] = frames[i][place] * window[place];
    for (; place < floats; place++)
        to[place] = (vec){0};
}

/* Fourier transform of `size` points, a power of two from 4 on: Stockham's, radix 4, at last radix 2 where one is left.

   The first step reads points that lie `apart` from each other; all others go to and fro between `one` and `other`.
   Returns which of the two has the result. roots[k · step] is exp(−2πi k / size). */
static inline point *NAME(transform)(const point *from, ptrdiff_t apart, ptrdiff_t size, point *one, point *other,
                                     const root *roots, ptrdiff_t step)
{
    ptrdiff_t done = 1, left = size;
    for (; left >= 4; left /= 4, done *= 4, apart = 1) {
        ptrdiff_t quarter = left / 4;
        for (ptrdiff_t p = 0; p < quarter; p++) {
            const root *by = roots + p * done * step, *twice = roots + 2 * p * done * step,
                       *thrice = roots + 3 * p * done * step;
            for (ptrdiff_t q = 0; q < done; q++) {
                const point *in = from + (q + done * p) * apart;
                point *out = one + q + 4 * done * p;
                point a = in[0], b = in[done * quarter * apart], c = in[2 * done * quarter * apart],
                      d = in[3 * done * quarter * apart];
                vec ac_re = a.re + c.re, ac_im = a.im + c.im, bd_re = b.re + d.re, bd_im = b.im + d.im;
                vec a_c_re = a.re - c.re, a_c_im = a.im - c.im, b_d_re = b.re - d.re, b_d_im = b.im - d.im;
                out[0] = (point){ac_re + bd_re, ac_im + bd_im};
                if (p == 0) { /* no turn */
                    out[done] = (point){a_c_re + b_d_im, a_c_im - b_d_re};
                    out[2 * done] = (point){ac_re - bd_re, ac_im - bd_im};
                    out[3 * done] = (point){a_c_re - b_d_im, a_c_im + b_d_re};
                } else {
                    out[done] = NAME(turned)(a_c_re + b_d_im, a_c_im - b_d_re, *by);
                    out[2 * done] = NAME(turned)(ac_re - bd_re, ac_im - bd_im, *twice);
                    out[3 * done] = NAME(turned)(a_c_re - b_d_im, a_c_im + b_d_re, *thrice);
                }
            }
        }
        point *result = one;
        from = one, one = other, other = result;
    }
    if (left == 1)
        return other;
    for (ptrdiff_t q = 0; q < done; q++) {
        point a = from[q], b = from[q + done];
        one[q] = (point){a.re + b.re, a.im + b.im};
        one[q + done] = (point){a.re - b.re, a.im - b.im};
    }
    return one;
}

/* |X|² of the frames in the lanes of `points`, to `power`, bin by bin.

   The points are seen as a matrix of `rows` rows: transforms of its columns, turned, then of its rows ("four-step"). So
   whatever the size, all but two walks through memory stay in the first-level cache. */
static void NAME(power)(const struct plan *plan, point *points, point *spectrum, vec *power, point *one, point *other)
{
    ptrdiff_t rows = plan->rows, columns = plan->points / rows, unit = plan->is_real ? 2 : 1;
    for (ptrdiff_t column = 0; column < columns; column++) {
        point *found = NAME(transform)(points + column, columns, rows, one, other, plan->roots, columns * unit);
        points[column] = found[0];
        for (ptrdiff_t row = 1; row < rows; row++)
            points[row * columns + column] = NAME(turned)(found[row].re, found[row].im, plan->roots[column * row * unit]);
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        point *found = NAME(transform)(points + row * columns, 1, columns, one, other, plan->roots, rows * unit);
        if (plan->is_real)
            for (ptrdiff_t k = 0; k < columns; k++)
                spectrum[row + rows * k] = found[k];
        else
            for (ptrdiff_t k = 0; k < columns; k++)
                power[row + rows * k] = found[k].re * found[k].re + found[k].im * found[k].im;
    }
    if (!plan->is_real)
        return;
    /* A real frame went in as points of half the length, even samples as real parts and odd ones as imaginary parts. */
    for (ptrdiff_t k = 0; k <= plan->points; k++) {
        point z = spectrum[k & (plan->points - 1)], y = spectrum[(plan->points - k) & (plan->points - 1)];
        point odd = NAME(turned)(z.im + y.im, y.re - z.re, plan->roots[k]);
        vec re = (z.re + y.re + odd.re) * 0.5f, im = (z.im - y.im + odd.im) * 0.5f;
        power[k] = re * re + im * im;
    }
}

static inline vec NAME(chosen)(mask where, vec yes, vec no)
{
    return (vec)((where & (mask)yes) | (~where & (mask)no));
}

static inline vec NAME(reduced)(int32_t operation, vec one, vec other)
{
    switch (operation) {
    case MAXIMUM:
        return NAME(chosen)(one > other, one, other);
    case MINIMUM:
        return NAME(chosen)(one < other, one, other);
    default:
        return one + other;
    }
}

/* See `reduce` in kernel.c. */
static int NAME(reduce)(const struct plan *plan, const char *samples, const int64_t *offsets, const int64_t *blocks,
                        ptrdiff_t count, float *result, void *work)
{
    ptrdiff_t bins = plan->points + (plan->is_real ? 1 : 0), columns = plan->points / plan->rows;
    point *points = work, *one = points + plan->points, *other = one + columns, *spectrum = other + columns;
    vec *power = (vec *)(spectrum + (plan->is_real ? plan->points : 0));
    mask wrong = {0};
    for (ptrdiff_t first = 0; first < count; first += LANES) {
        ptrdiff_t used = count - first < LANES ? count - first : LANES;
        const float *frames[LANES];
        for (ptrdiff_t lane = 0; lane < LANES; lane++)
            frames[lane] = (const float *)(samples + offsets[first + (lane < used ? lane : 0)]);
        NAME(load)(frames, plan->window, plan->covered, 2 * plan->points, (vec *)points);
        NAME(power)(plan, points, spectrum, power, one, other);
        const int64_t *block = blocks + first;
        for (ptrdiff_t bin = 0; bin < bins; bin += LANES) {
            size_t bytes = sizeof(float) * (bins - bin < LANES ? bins - bin : LANES);
            vec rows[LANES];
            for (int i = 0; i < LANES; i++) {
                rows[i] = bin + i < bins ? power[bin + i] : (vec){0};
                wrong |= ~(rows[i] <= FLT_MAX);
            }
            NAME(transpose)(rows);
            for (ptrdiff_t k = 0; k < plan->reductions; k++) {
                float *place = result + (block[0] * plan->reductions + k) * bins + bin;
                vec sum = rows[0];
                if (first > 0 && block[-1] == block[0]) { /* the frames before began this block */
                    memcpy(&sum, place, bytes);
                    sum = NAME(reduced)(plan->operations[k], sum, rows[0]);
                }
                for (ptrdiff_t lane = 1; lane < used; lane++) {
                    if (block[lane] == block[lane - 1]) {
                        sum = NAME(reduced)(plan->operations[k], sum, rows[lane]);
                        continue;
                    }
                    memcpy(place, &sum, bytes);
                    place = result + (block[lane] * plan->reductions + k) * bins + bin;
                    sum = rows[lane];
                }
                memcpy(place, &sum, bytes);
            }
        }
    }
    int found = 0;
    for (int lane = 0; lane < LANES; lane++)
        found |= wrong[lane];
    return found == 0;
}

#undef ALL
#undef vec
#undef mask
#undef unaligned
#undef point
