/* One frame as a matrix: transforms of its columns, as many at a time as there are lanes, rotated, then of its rows.

   Point n is in row n / columns and column n % columns. Whatever the size, all but two walks through memory stay near the
   processor, and vectors are loaded whole: only between the two halves squares are transposed. Where the columns or rows
   are no multiple of the lanes, the last of them are computed twice. */

/* The columns' transforms to the two planes of the transposed matrix, rotated. The next frame is so many numbers on. */
static void NAME(transform_columns)(const struct plan *plan, const REAL *samples, ptrdiff_t next, REAL *re, REAL *im,
                                    point *one, point *other)
{
    ptrdiff_t rows = plan->column.points, columns = plan->row.points, stride = plan->stride;
    const REAL *twiddles = plan->twiddles, *even = plan->window[0], *odd = plan->window[1];
    for (ptrdiff_t column = 0; column < columns; column += LANES) {
        if (column > columns - LANES)
            column = columns - LANES;
        struct NAME(ends) ends = {
            .columns = columns,
            .samples = samples + 2 * column,
            .ahead = column + LANES < columns ? 2 * LANES : next - 2 * column,
            .window = {even + column, odd + column},
            .twiddle_re = twiddles + column,
            .twiddle_im = twiddles + rows * columns + column,
        };
        const point *found = NAME(transform)(&plan->column, NAME(samples_to_rotated), NAME(from_samples),
                                             NAME(to_rotated), &ends, one, other);
        for (ptrdiff_t row = 0; row < rows; row += LANES) {
            if (row > rows - LANES)
                row = rows - LANES;
            ptrdiff_t place = column * stride + row;
            NAME(put_transposed)((const REAL *)&found[row].re, 2 * LANES, re + place, stride);
            NAME(put_transposed)((const REAL *)&found[row].im, 2 * LANES, im + place, stride);
        }
    }
}

/* The rows' transforms to where `last`, or `only`, puts them: `out_re` and `out_im` are of point 0 of the whole transform. */
static void NAME(transform_rows)(const struct plan *plan, const REAL *re, const REAL *im, NAME(any_step) only,
                                 NAME(any_step) last, REAL *out_re, REAL *out_im, point *one, point *other)
{
    ptrdiff_t rows = plan->column.points;
    for (ptrdiff_t row = 0; row < rows; row += LANES) {
        if (row > rows - LANES)
            row = rows - LANES;
        struct NAME(ends) ends = {
            .in_re = re + row,
            .in_im = im + row,
            .in_stride = plan->stride,
            .out_re = out_re + row,
            .out_im = out_im == NULL ? NULL : out_im + row,
            .out_stride = rows,
        };
        NAME(transform)(&plan->row, only, NAME(from_planes), last, &ends, one, other);
    }
}

/* See `reduce` in kernel.c. */
static int NAME(reduce_one_by_one)(const struct plan *plan, const struct frames *frames, ptrdiff_t count,
                                   REAL *result, REAL *work)
{
    ptrdiff_t rows = plan->column.points, columns = plan->row.points, points = rows * columns;
    ptrdiff_t bins = points + (plan->is_real ? 1 : 0), longest = rows > columns ? rows : columns;
    point *one = (point *)work, *other = one + longest;
    REAL *re = (REAL *)(other + longest), *im = re + columns * plan->stride, *room = im + columns * plan->stride;
    REAL *spectrum = room + prepared_numbers(plan), *power = spectrum + (plan->is_real ? 2 * points : 0);
    /* Then the last step adds, if it computes no row twice. */
    int is_summed = plan->reductions == 1 && plan->operations[0] == SUM && !plan->is_real && rows % LANES == 0, fine = 1;
    for (ptrdiff_t k = 0; k < count; k++) {
        const REAL *frame = NAME(prepare)(plan, NAME(frame)(frames, k), room);
        ptrdiff_t next = k + 1 < count ? NAME(frame)(frames, k + 1) - NAME(frame)(frames, k) : 0;
        int is_further = continues_block(frames, k);
        REAL *block = result + frames->blocks[k] * plan->reductions * bins;
        NAME(transform_columns)(plan, frame, next, re, im, one, other);
        if (is_summed && is_further)
            NAME(transform_rows)(plan, re, im, NAME(planes_to_sum), NAME(to_sum), block, NULL, one, other);
        else if (is_summed)
            NAME(transform_rows)(plan, re, im, NAME(planes_to_power), NAME(to_power), block, NULL, one, other);
        if (is_summed) {
            if (k + 1 == count || !continues_block(frames, k + 1))
                fine &= NAME(all_finite)(block, bins);
            continue;
        }
        REAL *found = is_further ? power : block;
        if (plan->is_real) {
            NAME(transform_rows)(plan, re, im, NAME(planes_to_planes), NAME(to_planes), spectrum, spectrum + points, one, other);
            NAME(power_of_pairs)(plan, spectrum, spectrum + points, points, found);
        } else
            NAME(transform_rows)(plan, re, im, NAME(planes_to_power), NAME(to_power), found, NULL, one, other);
        fine &= NAME(reduce_power)(plan, found, bins, is_further, block);
    }
    return fine;
}
