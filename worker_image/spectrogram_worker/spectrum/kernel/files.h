/* Reading files, and the numbers in them. */

enum { PAGE = 4096 };

static int width_of(int number)
{
    return number == INT_8 || number == UINT_8 ? 1 : number == INT_16 ? 2 : number == FLOAT_32 ? 4 : 8;
}

/* Fills `content`; 0 where the file ends or cannot be read. */
static int read_whole(int file, char *content, int64_t bytes, int64_t offset)
{
    while (bytes > 0) {
        ssize_t found = pread(file, content, bytes, offset);
        if (found < 0 && errno == EINTR)
            continue;
        if (found <= 0)
            return 0;
        content += found, bytes -= found, offset += found;
    }
    return 1;
}

/* How many samples, of one or two numbers, have one that is the least or the greatest of its kind. */
static int64_t count_at_ends(int number, const char *content, int64_t samples, int64_t numbers)
{
    int width = width_of(number);
    int64_t found = 0;
    for (int64_t k = 0; k < samples; k++) {
        int is_at_end = 0;
        for (int64_t j = 0; j < numbers; j++, content += width) {
            int16_t wide = 0;
            if (number == INT_16)
                memcpy(&wide, content, sizeof wide);
            int value = number == INT_8 ? (signed char)*content : number == UINT_8 ? (unsigned char)*content : wide;
            is_at_end |= value == (number == INT_8 ? INT8_MIN : number == UINT_8 ? 0 : INT16_MIN) ||
                         value == (number == INT_8 ? INT8_MAX : number == UINT_8 ? UINT8_MAX : INT16_MAX);
        }
        found += is_at_end;
    }
    return found;
}
