/* Frames of samples that lie in files: read piece by piece, and reduced while they are near the processor. */

/* Numbers of a file in the plan's precision, full scale = 1. Returns whether one of them is at an end of its range. */
#undef CONVERT
#define CONVERT(name, number, lowest, highest, zero)                                                     \
    static int NAME(name)(const void *content, ptrdiff_t count, REAL shift, REAL *to)                    \
    {                                                                                                    \
        typedef number stored_number __attribute__((aligned(1), may_alias));                             \
        const stored_number *from = content;                                                             \
        const REAL step = (REAL)(2.0 / ((double)(highest) - (double)(lowest) + 1));                      \
        number least = highest, most = lowest;                                                           \
        for (ptrdiff_t k = 0; k < count; k++) {                                                          \
            to[k] = (REAL)(from[k] - (zero)) * step + shift;                                             \
            least = from[k] < least ? from[k] : least;                                                   \
            most = from[k] > most ? from[k] : most;                                                      \
        }                                                                                                \
        return least == (lowest) || most == (highest);                                                   \
    }

CONVERT(from_int8, int8_t, INT8_MIN, INT8_MAX, 0)
CONVERT(from_uint8, uint8_t, 0, UINT8_MAX, 128)
CONVERT(from_int16, int16_t, INT16_MIN, INT16_MAX, 0)

#undef CONVERT_FLOAT
#define CONVERT_FLOAT(name, number)                                             \
    static void NAME(name)(const void *content, ptrdiff_t count, REAL *to)      \
    {                                                                           \
        typedef number stored_number __attribute__((aligned(1), may_alias));    \
        const stored_number *from = content;                                    \
        for (ptrdiff_t k = 0; k < count; k++)                                   \
            to[k] = (REAL)from[k];                                              \
    }

CONVERT_FLOAT(from_float32, float)
CONVERT_FLOAT(from_float64, double)

/* Whether an integer of these is at an end of its range. */
static int NAME(convert)(const struct file_samples *files, const void *content, ptrdiff_t count, REAL *to)
{
    REAL shift = (REAL)files->shift;
    switch (files->number) {
    case INT_8:
        return NAME(from_int8)(content, count, shift, to);
    case UINT_8:
        return NAME(from_uint8)(content, count, shift, to);
    case INT_16:
        return NAME(from_int16)(content, count, shift, to);
    case FLOAT_32:
        NAME(from_float32)(content, count, to);
        return 0;
    default:
        NAME(from_float64)(content, count, to);
        return 0;
    }
}

/* Reduces the frames from `first` to before `stop`, which are in memory from byte `begin` of all samples on. `block` is
   that of the frame before. */
static int NAME(reduce_piece)(const struct plan *plan, const char *samples, int64_t begin, int64_t hop, const int64_t *stops,
                              int64_t first, int64_t stop, int64_t *block, void *result, void *work)
{
    enum { TOGETHER = 256 };
    int64_t offsets[TOGETHER], blocks[TOGETHER];
    int fine = 1;
    while (first < stop) {
        ptrdiff_t count = 0;
        struct frames frames = {samples, begin, first > 0 ? *block : -1, offsets, blocks};
        for (; count < TOGETHER && first < stop; count++, first++) {
            while (first >= stops[*block])
                ++*block;
            offsets[count] = first * hop, blocks[count] = *block;
        }
        fine &= NAME(reduce_frames)(plan, &frames, count, result, work);
    }
    return fine;
}

/* See `reduce_files` in kernel.c. */
static int64_t NAME(reduce_files)(const struct plan *plan, const struct file_samples *files, int64_t hop,
                                  const int64_t *stops, int64_t blocks, void *result, void *work, char *room,
                                  ptrdiff_t room_bytes)
{
    const int is_direct = files->number == (sizeof(REAL) == sizeof(float) ? FLOAT_32 : FLOAT_64);
    const ptrdiff_t numbers = plan->is_real ? 1 : 2, stored_bytes = numbers * width_of(files->number);
    const ptrdiff_t sample_bytes = numbers * sizeof(REAL), frame_bytes = plan->covered * sizeof(REAL);
    const int64_t count = stops[blocks - 1], covered = (count - 1) * hop + frame_bytes;
    char *const staged = room + room_bytes - files->piece - PAGE, *const end = is_direct ? room + room_bytes : staged;
    /* Reading costs several times as much to a place that lies a little behind its origin, counted within a page. */
    char *here = is_direct ? room + files->ranges[0].offset % PAGE / sample_bytes * sample_bytes : room;
    int64_t begin = 0, have = 0, seen = 0, frame = 0, block = 0, at_full_scale = 0;
    for (const struct file_range *range = files->ranges; range < files->ranges + files->count; range++)
        for (int64_t done = 0, some; done < range->samples; done += some, seen += some) {
            int64_t place = range->offset + done * stored_bytes;
            some = (files->piece - place % files->piece) / stored_bytes;
            some = some > 0 ? some : files->piece / stored_bytes;
            some = some < range->samples - done ? some : range->samples - done;
            if (here + have + some * sample_bytes > end) {
                /* What the next frame needs goes to the front, and stays where it is within a page. */
                int64_t gone = frame < count ? frame * hop - begin : have;
                char *front = room + (here + gone - room) % PAGE;
                memmove(front, here + gone, have - gone);
                here = front, begin += gone, have -= gone;
                if (here + have + some * sample_bytes > end)
                    return -1;
            }
            REAL *added = (REAL *)(here + have);
            char *content = is_direct ? (char *)added : staged + place % PAGE;
            if (!read_whole((int)range->file, content, some * stored_bytes, place))
                return -1;
            if (!is_direct && NAME(convert)(files, content, some * numbers, added)) {
                if (files->padded)
                    return -1;
                int64_t counted = files->counted - seen < some ? files->counted - seen : some;
                at_full_scale += count_at_ends(files->number, content, counted, numbers);
            }
            have += some * sample_bytes;
            int64_t beyond = begin + have - covered;
            beyond = beyond < some * sample_bytes ? beyond : some * sample_bytes;
            if (beyond > 0 && !NAME(all_finite)((const REAL *)(here + have - beyond), beyond / (ptrdiff_t)sizeof(REAL)))
                return -1;
            int64_t ready = begin + have < frame_bytes ? 0 : (begin + have - frame_bytes) / hop + 1;
            ready = ready < count ? ready : count;
            if (!NAME(reduce_piece)(plan, here, begin, hop, stops, frame, ready, &block, result, work))
                return -1;
            frame = frame > ready ? frame : ready;
        }
    return frame == count ? at_full_scale : -1;
}
