/* A frame's samples before the window. */

ALWAYS_INLINE const REAL *NAME(frame)(const struct frames *frames, ptrdiff_t number)
{
    return (const REAL *)(frames->samples + (frames->offsets[number] - frames->begin));
}

/* The mean of the numbers at even and at odd places of a frame, or of all if its samples are real.

   In 64 sums, each of every 64th number, in this order whatever the width of the vectors; long sums in double precision. */
static void NAME(means)(const REAL *frame, ptrdiff_t numbers, int is_real, REAL means[2])
{
    enum { SUMS = 64, TOGETHER = 64 * SUMS };
    double totals[SUMS] = {0};
    for (ptrdiff_t first = 0; first < numbers; first += TOGETHER) {
        ptrdiff_t place = first, last = numbers - first < TOGETHER ? numbers : first + TOGETHER;
        vec sums[SUMS / LANES] = {0};
        REAL parts[SUMS];
        for (; place + SUMS <= last; place += SUMS)
            _Pragma("GCC unroll 32")
            for (int i = 0; i < SUMS / LANES; i++)
                sums[i] += LOAD(frame + place + i * LANES);
        memcpy(parts, sums, sizeof parts); /* so that the sums themselves are only used whole, and stay in registers */
        for (int i = 0; place + i < last; i++)
            parts[i] += frame[place + i];
        for (int i = 0; i < SUMS; i++)
            totals[i] += parts[i];
    }
    for (int half = SUMS / 2; half > 1; half /= 2)
        for (int i = 0; i < half; i++)
            totals[i] += totals[i + half];
    means[0] = (REAL)(is_real ? (totals[0] + totals[1]) / numbers : 2 * totals[0] / numbers);
    means[1] = is_real ? means[0] : (REAL)(2 * totals[1] / numbers);
}

/* A frame's numbers, twice as many as there are points: those of the frame itself, or in `room` without their mean, with
   zeros where it is shorter. */
static const REAL *NAME(prepare)(const struct plan *plan, const REAL *frame, REAL *room)
{
    ptrdiff_t numbers = prepared_numbers(plan), covered = plan->covered;
    if (numbers == 0)
        return frame;
    REAL means[2] = {0, 0};
    if (plan->detrend)
        NAME(means)(frame, covered, plan->is_real, means);
    ptrdiff_t place = 0;
    vec both;
    for (int i = 0; i < LANES; i++)
        both[i] = means[i % 2];
    for (; place + LANES <= covered; place += LANES)
        *(unaligned *)(room + place) = LOAD(frame + place) - both;
    for (; place < covered; place++)
        room[place] = frame[place] - means[place % 2];
    memset(room + covered, 0, (numbers - covered) * sizeof(REAL));
    return room;
}
