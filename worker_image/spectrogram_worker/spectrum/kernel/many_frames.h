/* Small frames, one in each lane: what a step does is done to all of them.

   Their points are a matrix of one row. As no frame sees another, a frame's power does not depend on its company. */

/* The frames' numbers, windowed, number by number: (2 · points, LANES). */
static void NAME(load_company)(const struct plan *plan, const REAL *const frames[LANES], REAL *to)
{
    const REAL *window[2] = {plan->window[0], plan->window[1]};
    ptrdiff_t place = 0, numbers = 2 * plan->row.points;
    for (; place + LANES <= numbers; place += LANES) {
        vec rows[LANES];
        for (int i = 0; i < LANES; i++)
            rows[i] = LOAD(frames[i] + place);
        NAME(transpose)(rows);
        for (int i = 0; i < LANES; i++)
            *(vec *)(to + (place + i) * LANES) = rows[i] * window[i % 2][(place + i) / 2];
    }
    for (; place < numbers; place++)
        for (int i = 0; i < LANES; i++)
            to[place * LANES + i] = frames[i][place] * window[place % 2][place / 2];
}

/* From bin by bin, (bins, LANES), to frame by frame, (LANES, bins). */
static void NAME(part_company)(const REAL *from, ptrdiff_t bins, REAL *to)
{
    ptrdiff_t bin = 0;
    for (; bin + LANES <= bins; bin += LANES)
        NAME(put_transposed)(from + bin * LANES, LANES, to + bin, bins);
    for (; bin < bins; bin++)
        for (int i = 0; i < LANES; i++)
            to[i * bins + bin] = from[bin * LANES + i];
}

/* See `reduce` in kernel.c. */
static int NAME(reduce_company)(const struct plan *plan, const struct frames *frames, ptrdiff_t count,
                                REAL *result, REAL *work)
{
    ptrdiff_t points = plan->row.points, bins = points + (plan->is_real ? 1 : 0);
    point *one = (point *)work, *other = one + points;
    REAL *room = (REAL *)(other + points), *loaded = room + prepared_numbers(plan) * LANES;
    REAL *spectrum = loaded + 2 * points * LANES, *power = spectrum + (plan->is_real ? 2 * points * LANES : 0);
    REAL *parted = power + bins * LANES;
    int fine = 1;
    for (ptrdiff_t first = 0; first < count; first += LANES) {
        ptrdiff_t used = count - first < LANES ? count - first : LANES;
        const REAL *company[LANES];
        for (ptrdiff_t i = 0; i < LANES; i++)
            company[i] = NAME(prepare)(plan, NAME(frame)(frames, first + (i < used ? i : 0)), room + 2 * points * i);
        NAME(load_company)(plan, company, loaded);
        struct NAME(ends) ends = {
            .in_re = loaded,
            .in_im = loaded + LANES,
            .in_stride = 2 * LANES,
            .out_re = plan->is_real ? spectrum : power,
            .out_im = spectrum + points * LANES,
            .out_stride = LANES,
        };
        if (plan->is_real) {
            NAME(transform)(&plan->row, NAME(planes_to_planes), NAME(from_planes), NAME(to_planes), &ends, one, other);
            NAME(power_of_company)(plan, spectrum, spectrum + points * LANES, points, power);
        } else
            NAME(transform)(&plan->row, NAME(planes_to_power), NAME(from_planes), NAME(to_power), &ends, one, other);
        NAME(part_company)(power, bins, parted);
        for (ptrdiff_t k = first; k < first + used; k++) {
            REAL *block = result + frames->blocks[k] * plan->reductions * bins;
            fine &= NAME(reduce_power)(plan, parted + (k - first) * bins, bins, continues_block(frames, k), block);
        }
    }
    return fine;
}
