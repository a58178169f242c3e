/* A bound of any spectrogram with FFTW: files are read to page-aligned buffers, and as many frames are transformed.

       fftw_bound FFT HOP SAMPLE_BYTES complex|real FILE …

   Two threads, measured plans, single precision; no conversion, no window, no power, no reduction: what is transformed is
   noise. Prints one line of JSON: seconds of the work, of its CPU time, and of planning. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <fftw3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define THREADS 2
#define PIECE (512 * 1024) /* bytes of a read: they stay in the second-level cache */

static int fft, hop, sample_bytes, is_complex, files;
static char **names;
static long long next_piece;

static void require(int fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

struct thread {
    pthread_t id;
    fftwf_plan plan;
    void *buffer;
};

/* Takes piece after piece; a frame is due for every `hop` samples. */
static void *run(void *argument)
{
    struct thread *thread = argument;
    long long piece = 0, mine = __atomic_fetch_add(&next_piece, 1, __ATOMIC_RELAXED);
    double frames = 0;
    for (int number = 0; number < files; number++) {
        int file = open(names[number], O_RDONLY);
        require(file >= 0, names[number]);
        long long size = lseek(file, 0, SEEK_END);
        for (long long place = 0; place < size; place += PIECE, piece++) {
            if (piece != mine)
                continue;
            mine = __atomic_fetch_add(&next_piece, 1, __ATOMIC_RELAXED);
            ssize_t found = pread(file, thread->buffer, PIECE, place);
            require(found > 0, names[number]);
            for (frames += (double)found / sample_bytes / hop; frames >= 1; frames--)
                fftwf_execute(thread->plan);
        }
        close(file);
    }
    return NULL;
}

static fftwf_plan plan(void)
{
    float *in = fftwf_alloc_real(fft * (is_complex ? 2L : 1L));
    fftwf_complex *out = fftwf_alloc_complex(fft);
    fftwf_plan found = is_complex ? fftwf_plan_dft_1d(fft, (fftwf_complex *)in, out, FFTW_FORWARD, FFTW_MEASURE)
                                  : fftwf_plan_dft_r2c_1d(fft, in, out, FFTW_MEASURE);
    for (long k = 0; k < fft * (is_complex ? 2L : 1L); k++)
        in[k] = (float)rand() / (float)RAND_MAX - 0.5f;
    return found;
}

int main(int count, char **arguments)
{
    require(count > 5, "usage: fftw_bound FFT HOP SAMPLE_BYTES complex|real FILE …");
    fft = atoi(arguments[1]), hop = atoi(arguments[2]), sample_bytes = atoi(arguments[3]);
    is_complex = strcmp(arguments[4], "complex") == 0;
    files = count - 5, names = arguments + 5;
    struct thread threads[THREADS];
    double began = seconds(CLOCK_MONOTONIC);
    for (int k = 0; k < THREADS; k++) {
        threads[k].plan = plan();
        require(posix_memalign(&threads[k].buffer, 4096, PIECE) == 0, "memory");
        memset(threads[k].buffer, 0, PIECE);
    }
    double planned = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int k = 0; k < THREADS; k++)
        require(pthread_create(&threads[k].id, NULL, run, &threads[k]) == 0, "thread");
    for (int k = 0; k < THREADS; k++)
        pthread_join(threads[k].id, NULL);
    printf("{\"seconds\": %f, \"cpu\": %f, \"imports\": %f}\n", seconds(CLOCK_MONOTONIC) - planned,
           seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, planned - began);
    return 0;
}
