/* nvrtc.c - printed CUDA text, compiled as a string by NVRTC, for ctext.sh: nothing is said, and the PTX has
   every kernel of the text. nvrtc FILE */
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *name)
{
    FILE *const f = fopen(name, "rb");
    char *text = (char *)calloc(1, 1 << 24);
    if (!f || !text || !fread(text, 1, (1 << 24) - 1, f)) exit(2);
    fclose(f);
    return text;
}

/* 1 if it fails, with the sentence */
static int fails(nvrtcResult result, const char *what)
{
    if (result) printf("%s: %s\n", what, nvrtcGetErrorString(result));
    return result != NVRTC_SUCCESS;
}

/* how many kernels the text has, all of them entries of the PTX; 0: one is not */
static int count_entries(const char *text, const char *ptx)
{
    static const char word[] = "__global__ void ";
    const char *at = text;
    int n = 0;
    while ((at = strstr(at, word)) != NULL) {
        char name[200];
        size_t length;
        at += sizeof word - 1;
        length = strcspn(at, "(");
        if (length >= sizeof name) return 0;
        memcpy(name, at, length);
        name[length] = 0;
        if (!strstr(ptx, name)) return printf("the PTX has no %s\n", name) < 0;
        n++;
    }
    return n;
}

int main(int n, char **words)
{
    static const char *const options[] = { "--gpu-architecture=compute_80", "--std=c++11" };
    char *const text = read_file(n > 1 ? words[1] : ""), *log, *ptx;
    size_t log_bytes = 0, ptx_bytes = 0;
    nvrtcProgram program;
    int bad, entries = 0;
    if (fails(nvrtcCreateProgram(&program, text, "kernels.cu", 0, NULL, NULL), "create")) return 1;
    bad = fails(nvrtcCompileProgram(program, 2, options), "compile");
    bad |= fails(nvrtcGetProgramLogSize(program, &log_bytes), "log");
    log = (char *)calloc(1, log_bytes + 1);
    bad |= fails(nvrtcGetProgramLog(program, log), "log");
    if (strlen(log) > 1) bad = 1, printf("%s\n", log);
    if (!bad) bad |= fails(nvrtcGetPTXSize(program, &ptx_bytes), "PTX");
    ptx = (char *)calloc(1, ptx_bytes + 1);
    if (!bad) bad |= fails(nvrtcGetPTX(program, ptx), "PTX");
    if (!bad) entries = count_entries(text, ptx);
    printf("%d kernels in %lu bytes of PTX\n", entries, (unsigned long)ptx_bytes);
    nvrtcDestroyProgram(&program);
    free(text), free(log), free(ptx);
    return bad || !entries;
}
