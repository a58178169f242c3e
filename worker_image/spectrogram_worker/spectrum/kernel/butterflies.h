/* Fourier transforms of few points, each with its own shortest way. */

ALWAYS_INLINE point NAME(sum)(point a, point b) { return (point){a.re + b.re, a.im + b.im}; }

ALWAYS_INLINE point NAME(difference)(point a, point b) { return (point){a.re - b.re, a.im - b.im}; }

/* a − i·b and a + i·b. */
ALWAYS_INLINE point NAME(minus_i)(point a, point b) { return (point){a.re + b.im, a.im - b.re}; }

ALWAYS_INLINE point NAME(plus_i)(point a, point b) { return (point){a.re - b.im, a.im + b.re}; }

ALWAYS_INLINE point NAME(times)(point a, REAL factor) { return (point){a.re * factor, a.im * factor}; }

ALWAYS_INLINE point NAME(rotate)(point a, vec re, vec im)
{
    return (point){a.re * re - a.im * im, a.re * im + a.im * re};
}

ALWAYS_INLINE void NAME(two)(const point in[2], point out[2])
{
    out[0] = NAME(sum)(in[0], in[1]);
    out[1] = NAME(difference)(in[0], in[1]);
}

ALWAYS_INLINE void NAME(three)(const point in[3], point out[3])
{
    const REAL sine = 0.866025403784438646763723170752936183;
    point both = NAME(sum)(in[1], in[2]), apart = NAME(times)(NAME(difference)(in[1], in[2]), sine);
    point middle = NAME(difference)(in[0], NAME(times)(both, 0.5));
    out[0] = NAME(sum)(in[0], both);
    out[1] = NAME(minus_i)(middle, apart);
    out[2] = NAME(plus_i)(middle, apart);
}

ALWAYS_INLINE void NAME(four)(point a, point b, point c, point d, point out[4])
{
    point even = NAME(sum)(a, c), odd = NAME(sum)(b, d);
    point far_even = NAME(difference)(a, c), far_odd = NAME(difference)(b, d);
    out[0] = NAME(sum)(even, odd);
    out[1] = NAME(minus_i)(far_even, far_odd);
    out[2] = NAME(difference)(even, odd);
    out[3] = NAME(plus_i)(far_even, far_odd);
}

/* Of an odd number of points, by the sums and differences of those at k and −k: their cosines and sines. */
ALWAYS_INLINE void NAME(odd)(const int points, const REAL *cosines, const REAL *sines, const point *in, point *out)
{
    point sums[3], differences[3], total = in[0];
    const int half = points / 2;
    for (int k = 0; k < half; k++) {
        sums[k] = NAME(sum)(in[k + 1], in[points - 1 - k]);
        differences[k] = NAME(difference)(in[k + 1], in[points - 1 - k]);
        total = NAME(sum)(total, sums[k]);
    }
    out[0] = total;
    for (int j = 1; j <= half; j++) {
        point even = in[0], uneven = {{0}, {0}};
        for (int k = 1; k <= half; k++) {
            const int turn = j * k % points;
            const REAL cosine = cosines[turn <= half ? turn : points - turn];
            const REAL sine = turn <= half ? sines[turn] : -sines[points - turn];
            even = NAME(sum)(even, NAME(times)(sums[k - 1], cosine));
            uneven = k == 1 ? NAME(times)(differences[0], sine) : NAME(sum)(uneven, NAME(times)(differences[k - 1], sine));
        }
        out[j] = NAME(minus_i)(even, uneven);
        out[points - j] = NAME(plus_i)(even, uneven);
    }
}

ALWAYS_INLINE void NAME(five)(const point in[5], point out[5])
{
    static const REAL cosines[3] = {1, 0.309016994374947424102293417182819059, -0.809016994374947424102293417182819059};
    static const REAL sines[3] = {0, 0.951056516295153572116439333379382143, 0.587785252292473129168705954639072769};
    NAME(odd)(5, cosines, sines, in, out);
}

ALWAYS_INLINE void NAME(seven)(const point in[7], point out[7])
{
    static const REAL cosines[4] = {1, 0.623489801858733530525004884004239811, -0.222520933956314404288902564496794760,
                                    -0.900968867902419126236102319507445051};
    static const REAL sines[4] = {0, 0.781831482468029808708444526674057750, 0.974927912181823607018131682993931217,
                                  0.433883739117558120475768332848358754};
    NAME(odd)(7, cosines, sines, in, out);
}

/* Of 8 points: of the sums of opposite ones, and of their differences, rotated. */
ALWAYS_INLINE void NAME(eight)(const point in[8], point out[8])
{
    const REAL root = 0.707106781186547524400844362104849039; /* √½ */
    point sum[4], difference[4], even[4], odd[4];
    for (int k = 0; k < 4; k++) {
        sum[k] = NAME(sum)(in[k], in[k + 4]);
        difference[k] = NAME(difference)(in[k], in[k + 4]);
    }
    point b = difference[1], c = difference[2], d = difference[3];
    NAME(four)(sum[0], sum[1], sum[2], sum[3], even);
    NAME(four)(difference[0], (point){(b.im + b.re) * root, (b.im - b.re) * root}, (point){c.im, -c.re},
               (point){(d.im - d.re) * root, (d.im + d.re) * -root}, odd);
    for (int k = 0; k < 4; k++) {
        out[2 * k] = even[k];
        out[2 * k + 1] = odd[k];
    }
}

/* Of 16 points: four transforms of four, rotated, and four of those. */
ALWAYS_INLINE void NAME(sixteen)(const point in[16], point out[16])
{
    const REAL c1 = 0.923879532511286756128183189396788933, s1 = 0.382683432365089771728459984030398866;
    const REAL root = 0.707106781186547524400844362104849039; /* √½ */
    point found[4][4], part[4];
    _Pragma("GCC unroll 4")
    for (int k = 0; k < 4; k++)
        NAME(four)(in[k], in[k + 4], in[k + 8], in[k + 12], found[k]);
    _Pragma("GCC unroll 4")
    for (int j = 0; j < 4; j++) {
        point a = found[0][j], b = found[1][j], c = found[2][j], d = found[3][j];
        if (j == 1) {
            b = (point){b.re * c1 + b.im * s1, b.im * c1 - b.re * s1};
            c = (point){(c.im + c.re) * root, (c.im - c.re) * root};
            d = (point){d.re * s1 + d.im * c1, d.im * s1 - d.re * c1};
        } else if (j == 2) {
            b = (point){(b.im + b.re) * root, (b.im - b.re) * root};
            c = (point){c.im, -c.re};
            d = (point){(d.im - d.re) * root, (d.im + d.re) * -root};
        } else if (j == 3) {
            b = (point){b.re * s1 + b.im * c1, b.im * s1 - b.re * c1};
            c = (point){(c.im - c.re) * root, (c.im + c.re) * -root};
            d = (point){d.re * -c1 - d.im * s1, d.re * s1 - d.im * c1};
        }
        NAME(four)(a, b, c, d, part);
        _Pragma("GCC unroll 4")
        for (int k = 0; k < 4; k++)
            out[j + 4 * k] = part[k];
    }
}

ALWAYS_INLINE void NAME(butterfly)(const int radix, const point *in, point *out)
{
    switch (radix) {
    case 2:
        NAME(two)(in, out);
        break;
    case 3:
        NAME(three)(in, out);
        break;
    case 4:
        NAME(four)(in[0], in[1], in[2], in[3], out);
        break;
    case 5:
        NAME(five)(in, out);
        break;
    case 7:
        NAME(seven)(in, out);
        break;
    case 8:
        NAME(eight)(in, out);
        break;
    default:
        NAME(sixteen)(in, out);
    }
}
