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

/* `floats` floats of the frames, from number `first` on, windowed, a lane each; what no window covers is zero. */
static void NAME(load)(const float *const frames[LANES], const struct plan *plan, ptrdiff_t first, ptrdiff_t floats,
                       vec *to)
{
    const float *window = plan->window + first;
    ptrdiff_t place = 0, covered = plan->covered - first < floats ? plan->covered - first : floats;
    for (; place + LANES <= covered; place += LANES) {
        vec rows[LANES];
        for (int i = 0; i < LANES; i++)
            rows[i] = *(const unaligned *)(frames[i] + first + place) * *(const unaligned *)(window + place);
        NAME(transpose)(rows);
        for (int i = 0; i < LANES; i++)
            to[place + i] = rows[i];
    }
    for (; place < covered; place++)
        for (int i = 0; i < LANES; i++)
            to[place][i] = frames[i][first + place] * window[place];
    for (; place < floats; place++)
        to[place] = (vec){0};
}

/* Fourier transform of 4 points. */
static inline void NAME(four)(point a, point b, point c, point d, point out[4])
{
    point ac = {a.re + c.re, a.im + c.im}, bd = {b.re + d.re, b.im + d.im};
    point a_c = {a.re - c.re, a.im - c.im}, b_d = {b.re - d.re, b.im - d.im};
    out[0] = (point){ac.re + bd.re, ac.im + bd.im};
    out[1] = (point){a_c.re + b_d.im, a_c.im - b_d.re};
    out[2] = (point){ac.re - bd.re, ac.im - bd.im};
    out[3] = (point){a_c.re - b_d.im, a_c.im + b_d.re};
}

/* Fourier transform of 8 points: of the sums of opposite ones, and of their differences, turned. */
static inline void NAME(eight)(const point in[8], point out[8])
{
    const float half = 0.70710678f; /* √½ */
    point sum[4], difference[4], even[4], odd[4];
    for (int k = 0; k < 4; k++) {
        sum[k] = (point){in[k].re + in[k + 4].re, in[k].im + in[k + 4].im};
        difference[k] = (point){in[k].re - in[k + 4].re, in[k].im - in[k + 4].im};
    }
    point b = difference[1], c = difference[2], d = difference[3];
    NAME(four)(sum[0], sum[1], sum[2], sum[3], even);
    NAME(four)(difference[0], (point){(b.im + b.re) * half, (b.im - b.re) * half}, (point){c.im, -c.re},
               (point){(d.im - d.re) * half, (d.im + d.re) * -half}, odd);
    for (int k = 0; k < 4; k++) {
        out[2 * k] = even[k];
        out[2 * k + 1] = odd[k];
    }
}

/* What is left of a transform of 2^n points, n ≥ 2, for its last step: 4 points or 8. */
static inline ptrdiff_t NAME(left_of)(ptrdiff_t size)
{
    while (size > 8)
        size /= 4;
    return size;
}

/* All steps but the last of a Fourier transform of `size` points: Stockham's, radix 4.

   The first step reads points that lie `apart` from each other; all others go to and fro between `one` and `other`.
   Returns where the last step's points are, and in `apart` how far from each other. roots[k · step] is
   exp(−2πi k / size). */
static inline const point *NAME(steps)(const point *from, ptrdiff_t *apart, ptrdiff_t size, point *one, point *other,
                                       const root *roots, ptrdiff_t step)
{
    for (ptrdiff_t done = 1, left = size; left > 8; left /= 4, done *= 4, *apart = 1) {
        ptrdiff_t quarter = left / 4, far = done * quarter * *apart;
        for (ptrdiff_t p = 0; p < quarter; p++) {
            const root *by = roots + p * done * step, *twice = roots + 2 * p * done * step,
                       *thrice = roots + 3 * p * done * step;
            for (ptrdiff_t q = 0; q < done; q++) {
                const point *in = from + (q + done * p) * *apart;
                point *out = one + q + 4 * done * p, found[4];
                NAME(four)(in[0], in[far], in[2 * far], in[3 * far], found);
                out[0] = found[0];
                out[done] = p == 0 ? found[1] : NAME(turned)(found[1].re, found[1].im, *by);
                out[2 * done] = p == 0 ? found[2] : NAME(turned)(found[2].re, found[2].im, *twice);
                out[3 * done] = p == 0 ? found[3] : NAME(turned)(found[3].re, found[3].im, *thrice);
            }
        }
        point *result = one;
        from = one, one = other, other = result;
    }
    return from;
}

/* The last step, `left` points at a time: out[j] is point q + done · j of the transform. */
ALWAYS_INLINE void NAME(last)(const point *from, ptrdiff_t apart, ptrdiff_t done, const int left, ptrdiff_t q, point out[8])
{
    point in[8];
    for (int j = 0; j < left; j++)
        in[j] = from[(q + done * j) * apart];
    if (left == 8)
        NAME(eight)(in, out);
    else
        NAME(four)(in[0], in[1], in[2], in[3], out);
}

/* The last step of a column, its points turned and put back `stride` apart. */
ALWAYS_INLINE void NAME(end_column)(const point *from, ptrdiff_t apart, ptrdiff_t done, const int left, point *to,
                                    ptrdiff_t stride, const root *roots, ptrdiff_t step)
{
    for (ptrdiff_t q = 0; q < done; q++) {
        point out[8];
        NAME(last)(from, apart, done, left, q, out);
        for (int j = 0; j < left; j++) {
            ptrdiff_t row = q + done * j;
            to[row * stride] = NAME(turned)(out[j].re, out[j].im, roots[row * step]);
        }
    }
}

/* The last step of a row: its points, or only their power, `rows` apart. */
ALWAYS_INLINE void NAME(end_row)(const point *from, ptrdiff_t apart, ptrdiff_t done, const int left, const int is_real,
                                 point *spectrum, vec *power, ptrdiff_t rows)
{
    for (ptrdiff_t q = 0; q < done; q++) {
        point out[8];
        NAME(last)(from, apart, done, left, q, out);
        for (int j = 0; j < left; j++)
            if (is_real)
                spectrum[(q + done * j) * rows] = out[j];
            else
                power[(q + done * j) * rows] = out[j].re * out[j].re + out[j].im * out[j].im;
    }
}

/* |X|² of the frames in the lanes of `points`, to `power`, bin by bin.

   The points are seen as a matrix of `rows` rows: transforms of its columns, turned, then of its rows ("four-step"). So
   whatever the size, all but two walks through memory stay in the first-level cache. `stride` is from row to row. */
static void NAME(power)(const struct plan *plan, point *points, ptrdiff_t stride, point *spectrum, vec *power,
                        point *one, point *other)
{
    ptrdiff_t rows = plan->rows, columns = plan->points / rows, unit = plan->is_real ? 2 : 1;
    ptrdiff_t left = NAME(left_of)(rows), done = rows / left;
    for (ptrdiff_t column = 0; column < columns; column++) {
        ptrdiff_t apart = stride, step = column * unit;
        point *to = points + column;
        const point *from = NAME(steps)(to, &apart, rows, one, other, plan->roots, columns * unit);
        if (left == 8)
            NAME(end_column)(from, apart, done, 8, to, stride, plan->roots, step);
        else
            NAME(end_column)(from, apart, done, 4, to, stride, plan->roots, step);
    }
    left = NAME(left_of)(columns), done = columns / left;
    for (ptrdiff_t row = 0; row < rows; row++) {
        ptrdiff_t apart = 1;
        const point *from = NAME(steps)(points + row * stride, &apart, columns, one, other, plan->roots, rows * unit);
        if (plan->is_real && left == 8)
            NAME(end_row)(from, apart, done, 8, 1, spectrum + row, power, rows);
        else if (plan->is_real)
            NAME(end_row)(from, apart, done, 4, 1, spectrum + row, power, rows);
        else if (left == 8)
            NAME(end_row)(from, apart, done, 8, 0, spectrum, power + row, rows);
        else
            NAME(end_row)(from, apart, done, 4, 0, spectrum, power + row, rows);
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

/* `sum` and then the rows from `first` to before `last`, in this order. */
static inline vec NAME(reduced)(int32_t operation, vec sum, const vec *rows, ptrdiff_t first, ptrdiff_t last)
{
    switch (operation) {
    case MAXIMUM:
        for (ptrdiff_t k = first; k < last; k++)
            sum = NAME(chosen)(sum > rows[k], sum, rows[k]);
        return sum;
    case MINIMUM:
        for (ptrdiff_t k = first; k < last; k++)
            sum = NAME(chosen)(sum < rows[k], sum, rows[k]);
        return sum;
    default:
        for (ptrdiff_t k = first; k < last; k++)
            sum += rows[k];
        return sum;
    }
}

/* Reduces the power of `used` frames, a lane each, to the rows of `result` that are their blocks'. begun: frames before
   these belong to the first block too. Returns lanes of ones where a power is not finite. */
static inline mask NAME(reduce_power)(const struct plan *plan, const vec *power, const int64_t *blocks, ptrdiff_t used,
                                      int begun, float *result)
{
    ptrdiff_t bins = plan->points + (plan->is_real ? 1 : 0), runs = 0, ends[LANES];
    for (ptrdiff_t lane = 1; lane <= used; lane++)
        if (lane == used || blocks[lane] != blocks[lane - 1])
            ends[runs++] = lane;
    mask wrong = {0};
    for (ptrdiff_t bin = 0; bin < bins; bin += LANES) {
        size_t bytes = bins - bin < LANES ? sizeof(float) * (bins - bin) : sizeof(vec);
        vec rows[LANES];
        for (int i = 0; i < LANES; i++) {
            rows[i] = bin + i < bins ? power[bin + i] : (vec){0};
            wrong |= ~(rows[i] <= FLT_MAX);
        }
        NAME(transpose)(rows);
        for (ptrdiff_t run = 0, lane = 0; run < runs; lane = ends[run++])
            for (ptrdiff_t k = 0; k < plan->reductions; k++) {
                float *place = result + (blocks[lane] * plan->reductions + k) * bins + bin;
                vec sum = rows[lane];
                if (lane == 0 && begun) {
                    memcpy(&sum, place, bytes);
                    sum = NAME(reduced)(plan->operations[k], sum, rows, 0, ends[run]);
                } else
                    sum = NAME(reduced)(plan->operations[k], sum, rows, lane + 1, ends[run]);
                if (bytes == sizeof(vec))
                    *(unaligned *)place = sum;
                else
                    memcpy(place, &sum, bytes);
            }
    }
    return wrong;
}

/* See `reduce` in kernel.c. */
static int NAME(reduce)(const struct plan *plan, const char *samples, const int64_t *offsets, const int64_t *blocks,
                        ptrdiff_t count, float *result, void *work)
{
    /* Rows lie one point further apart than they are long: points of a column, a power of two apart, would all want
       the same few places of a cache. */
    ptrdiff_t columns = plan->points / plan->rows, stride = columns + 1;
    point *points = work, *one = points + plan->rows * stride, *other = one + columns, *spectrum = other + columns;
    vec *power = (vec *)(spectrum + (plan->is_real ? plan->points : 0));
    mask wrong = {0};
    for (ptrdiff_t first = 0; first < count; first += LANES) {
        ptrdiff_t used = count - first < LANES ? count - first : LANES;
        const float *frames[LANES];
        for (ptrdiff_t lane = 0; lane < LANES; lane++)
            frames[lane] = (const float *)(samples + offsets[first + (lane < used ? lane : 0)]);
        for (ptrdiff_t row = 0; row < plan->rows; row++)
            NAME(load)(frames, plan, 2 * columns * row, 2 * columns, (vec *)(points + row * stride));
        NAME(power)(plan, points, stride, spectrum, power, one, other);
        int begun = first > 0 && blocks[first - 1] == blocks[first];
        wrong |= NAME(reduce_power)(plan, power, blocks + first, used, begun, result);
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
