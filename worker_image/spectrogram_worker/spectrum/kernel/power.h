/* From a spectrum to reduced power. */

/* Power in a bin of a real frame from the transform of its samples in pairs: z is a point, far the one as far from the
   other end, half is exp(−πi k / points). */
ALWAYS_INLINE REAL NAME(power_of_pair)(REAL re, REAL im, REAL far_re, REAL far_im, REAL half_re, REAL half_im)
{
    /* Of the even samples, twice: z + conj(far); of the odd ones, twice: −i · (z − conj(far)). */
    REAL odd_re = im + far_im, odd_im = far_re - re;
    REAL x = (re + far_re + (odd_re * half_re - odd_im * half_im)) * (REAL)0.5;
    REAL y = (im - far_im + (odd_re * half_im + odd_im * half_re)) * (REAL)0.5;
    return x * x + y * y;
}

/* |X|² of a real frame, (points + 1), whose pairs' transform is in two planes of `points`. */
static void NAME(power_of_pairs)(const struct plan *plan, const REAL *re, const REAL *im, ptrdiff_t points, REAL *power)
{
    const REAL *half_re = plan->halves, *half_im = half_re + points;
    power[0] = (re[0] + im[0]) * (re[0] + im[0]);
    for (ptrdiff_t k = 1; k < points; k++)
        power[k] = NAME(power_of_pair)(re[k], im[k], re[points - k], im[points - k], half_re[k], half_im[k]);
    power[points] = (re[0] - im[0]) * (re[0] - im[0]);
}

/* The same for LANES frames, one in each lane. */
static void NAME(power_of_company)(const struct plan *plan, const REAL *re, const REAL *im, ptrdiff_t points, REAL *power)
{
    const REAL *half_re = plan->halves, *half_im = half_re + points;
    for (int i = 0; i < LANES; i++)
        power[i] = (re[i] + im[i]) * (re[i] + im[i]), power[points * LANES + i] = (re[i] - im[i]) * (re[i] - im[i]);
    for (ptrdiff_t k = 1; k < points; k++)
        for (ptrdiff_t i = 0, near = k * LANES, far = (points - k) * LANES; i < LANES; i++)
            power[near + i] = NAME(power_of_pair)(re[near + i], im[near + i], re[far + i], im[far + i], half_re[k],
                                                  half_im[k]);
}

static int NAME(all_finite)(const REAL *numbers, ptrdiff_t count)
{
    INTEGER wrong = 0;
    for (ptrdiff_t k = 0; k < count; k++)
        wrong |= !(numbers[k] - numbers[k] == 0);
    return !wrong;
}

/* Adds a frame's power to its block; that of the block's first frame may be there already. Returns 0
   where a sum, or without one a power, is not finite. */
static int NAME(reduce_power)(const struct plan *plan, const REAL *power, ptrdiff_t bins, int continues_block,
                              REAL *result)
{
    INTEGER wrong = 0, is_summed = 0;
    for (ptrdiff_t number = 0; number < plan->reductions; number++, result += bins) {
        is_summed |= plan->operations[number] == SUM;
        if (!continues_block) {
            if (result != power)
                memcpy(result, power, bins * sizeof(REAL));
        } else if (plan->operations[number] == SUM)
            for (ptrdiff_t k = 0; k < bins; k++) {
                result[k] += power[k];
                wrong |= !(result[k] <= LARGEST);
            }
        else if (plan->operations[number] == MAXIMUM)
            for (ptrdiff_t k = 0; k < bins; k++)
                result[k] = result[k] > power[k] ? result[k] : power[k];
        else
            for (ptrdiff_t k = 0; k < bins; k++)
                result[k] = result[k] < power[k] ? result[k] : power[k];
    }
    for (ptrdiff_t k = 0; k < bins && !(is_summed && continues_block); k++)
        wrong |= !(power[k] <= LARGEST);
    return !wrong;
}
