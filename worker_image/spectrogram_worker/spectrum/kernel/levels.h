/* From the power of blocks to the levels of columns, in decibels. */

#define wide NAME(wide)
#define floats NAME(floats)
typedef double wide __attribute__((vector_size(8 * LANES)));
typedef float floats __attribute__((vector_size(4 * LANES)));

ALWAYS_INLINE vec NAME(select)(mask which, vec yes, vec no)
{
    return (vec)(((mask)yes & which) | ((mask)no & ~which));
}

/* 10 · log10 of numbers that are not negative: of their exponent, and by a series of atanh of their mantissa. */
ALWAYS_INLINE vec NAME(decibels)(vec power)
{
    const int bits = sizeof(REAL) == 8 ? 52 : 23, bias = sizeof(REAL) == 8 ? 1023 : 127;
    const REAL of_two = 3.01029995663981195213738894724493027, of_e = 4.34294481903251827651128918916605082;
    const mask small = power < SMALLEST;
    const vec one = (vec){0} + 1, scaled = NAME(select)(small, power * (REAL)(1LL << 60), power);
    mask content = (mask)scaled;
    mask exponent = (content >> bits) - bias;
    vec mantissa = (vec)((content & (((INTEGER)1 << bits) - 1)) | (mask)one);
    const mask above = mantissa > (REAL)1.41421356237309504880168872420969808;
    mantissa = NAME(select)(above, mantissa * (REAL)0.5, mantissa);
    exponent -= above;
    exponent -= small & 60;
    const vec part = (mantissa - one) / (mantissa + one), square = part * part;
    vec series = square * (REAL)(2.0 / 11) + (REAL)(2.0 / 9);
    series = series * square + (REAL)(2.0 / 7);
    series = series * square + (REAL)(2.0 / 5);
    series = series * square + (REAL)(2.0 / 3);
    series = series * square + (REAL)2;
    const vec level = __builtin_convertvector(exponent, vec) * of_two + part * series * of_e;
    const vec infinite = one * (REAL)__builtin_inf();
    return NAME(select)(power > LARGEST, infinite, NAME(select)(power > 0, level, -infinite));
}

/* The level of some bins, fewer than LANES where they are the last, of one column: `rows` of power, `stride` apart. */
ALWAYS_INLINE void NAME(level)(const REAL *power, ptrdiff_t rows, ptrdiff_t stride, int operation, double scale,
                               const REAL *offsets, float *levels, ptrdiff_t count)
{
    vec found = {0}, row = {0}, offset = {0};
    wide sum = {0};
    const size_t bytes = count * sizeof(REAL);
    for (ptrdiff_t k = 0; k < rows; k++, power += stride) {
        memcpy(&row, power, bytes);
        if (operation == SUM)
            sum = k == 0 ? __builtin_convertvector(row, wide) : sum + __builtin_convertvector(row, wide);
        else if (operation == MAXIMUM)
            found = k == 0 ? row : NAME(select)(found > row, found, row);
        else
            found = k == 0 ? row : NAME(select)(found < row, found, row);
    }
    if (operation == SUM)
        found = __builtin_convertvector(sum * scale, vec);
    memcpy(&offset, offsets, bytes);
    const floats level = __builtin_convertvector(NAME(decibels)(found) + offset, floats);
    memcpy(levels, &level, count * sizeof(float));
}

/* See `levels` in kernel.c. */
static void NAME(levels)(const struct columns *columns, const void *power, const void *offsets, float *levels)
{
    for (int64_t column = 0; column < columns->count; column++)
        for (int64_t number = 0; number < columns->reductions; number++) {
            const REAL *first = (const REAL *)power + column * columns->rows * columns->row_stride +
                                number * columns->reduction_stride;
            const REAL *offset = offsets;
            for (int64_t k = 0; k < columns->slices; k++) {
                const REAL *from = first + columns->slice[k][0];
                const int64_t bins = columns->slice[k][1];
                int64_t bin = 0;
                for (; bin + LANES <= bins; bin += LANES)
                    NAME(level)(from + bin, columns->rows, columns->row_stride, columns->operations[number],
                                columns->scales[column], offset + bin, levels + bin, LANES);
                if (bin < bins)
                    NAME(level)(from + bin, columns->rows, columns->row_stride, columns->operations[number],
                                columns->scales[column], offset + bin, levels + bin, bins - bin);
                levels += bins, offset += bins;
            }
        }
}

#undef wide
#undef floats
