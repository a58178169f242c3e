/* The kernel as a program of another processor: reduces frames that it reads from standard input, and writes the power.

   Input: numbers of 8 bytes: bytes of the plan, and of each of its tables (window, twiddles, halves; radices and twiddles
   of column and row), of the samples, the offsets, the blocks, and of the result; then all of them but the result. */

#include <stdio.h>
#include <stdlib.h>

#include KERNEL

static void *content(int64_t bytes)
{
    void *found = bytes > 0 ? aligned_alloc(64, (bytes + 63) / 64 * 64) : NULL;
    if (bytes > 0 && fread(found, 1, bytes, stdin) != (size_t)bytes)
        exit(1);
    return found;
}

int main(void)
{
    int64_t *sizes = content(12 * sizeof(int64_t));
    struct plan *plan = content(sizes[0]);
    plan->window[0] = plan->window[1] = content(sizes[1]);
    plan->twiddles = content(sizes[2]);
    plan->halves = content(sizes[3]);
    if (plan->is_real)
        plan->window[1] = (const char *)plan->window[0] + sizes[1] / 2;
    plan->column.radices = content(sizes[4]), plan->column.twiddles = content(sizes[5]);
    plan->row.radices = content(sizes[6]), plan->row.twiddles = content(sizes[7]);
    char *samples = content(sizes[8]);
    int64_t *offsets = content(sizes[9]), *blocks = content(sizes[10]);
    int32_t operations[] = {SUM, MAXIMUM, MINIMUM};
    plan->operations = operations, plan->reductions = 3;
    void *result = calloc(1, sizes[11]), *work = aligned_alloc(64, (work_bytes(plan, 16) + 63) / 64 * 64);
    if (!reduce(plan, 16, samples, offsets, blocks, sizes[9] / 8, result, work))
        return 2;
    return fwrite(result, 1, sizes[11], stdout) != (size_t)sizes[11];
}
