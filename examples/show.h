/* show.h: what the examples share besides the physics: command line, progress, pictures, curves, results.

       #include "show.h"
       int main(int argc, char **argv)
       {
           double wall = 0.5;                                       // --wall X, as declared in the next line
           const show_flag flags[] = { { "--wall", SHOW_NUMBER, &wall, "height of the wall (m)" } };
           show s = show_start(argc, argv, "throws a ball over a wall", flags, 1);
           show_canvas *c = show_canvas_create(800, -1, 7, 0, 4);   // 800 pixels wide, x -1..7 m, y 0..4 m
           show_plot p = { 0 };                                     // in C++: show_plot p = {};
           ...  show_progress(&s, i + 1, n, "loss %.3g", loss);     // in the loop
           show_disc(c, ball, 0.1, SHOW_RED);                       // ball points to x, y (m)
           show_canvas_save(c, &s, "flight.png");                   // out/flight.png
           p.x_label = "iteration";  p.y_label = "loss (m^2)";  p.log_y = 1;
           show_curve(&p, "Adam", NULL, losses, n);
           show_plot_save(&p, &s, "loss");                          // out/loss.tsv, out/loss.gp, out/loss.png
           show_result(&s, "loss", loss);                           // result loss 0.12345678901234568
           show_canvas_destroy(c);
           return show_end(&s);
       }

   Command line  show_start, show_flag; every example takes --quick --out DIR --threads N --seed N --help.
   Progress      show_progress: a line that redraws itself on a terminal, one plain line at the end elsewhere.
   Pictures      show_canvas_create _save _destroy, show_clear _disc _dot _line _polyline
                 _triangle _box _field.
   In space      show_view, show_see (a point), show_surface (triangles, shaded).
   Films         show_film_begin _frame _end: out/name.mp4 of canvases of one size, where ffmpeg is.
   Colours       0xRRGGBB, SHOW_BLUE and friends; show_mix, show_fade (transparent), show_heat (0..1).
   Curves        show_plot (a zeroed struct), show_curve, show_plot_save.
   The end       show_result prints what the tests compare, show_end says where the files are; show_stop
                 ends a program early. Memory: show_numbers.

   A point is a pointer to its x and y; a z behind them is not looked at, so positions in space work as well.
   y is up. Discs have a radius in the world's unit; dots and lines have a width in pixels. Chatter goes to
   stderr; stdout is the example's own. A canvas that is NULL (no memory) draws and saves nothing, nor
   is a shape drawn that is not finite.
   Pictures need stb_image_write (Debian: libstb-dev), plots need gnuplot (gnuplot-nox). Without them the
   program says so once and goes on; the .tsv is always written. The Makefile passes -DSHOW_PNG=1 or 0;
   otherwise the compiler looks for itself. C99 and C++11. */
#ifndef SHOW_H
#define SHOW_H

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
#include <direct.h>
#include <io.h>
#else
#include <sys/stat.h>
#include <unistd.h>
#endif

#ifndef SHOW_PNG
#ifdef __has_include
#if __has_include(<stb/stb_image_write.h>)
#define SHOW_PNG 1
#endif
#endif
#endif
#ifndef SHOW_PNG
#define SHOW_PNG 0
#endif

#if SHOW_PNG
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wdouble-promotion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
#endif

#ifdef __GNUC__
#define SHOW_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define SHOW_PRINTF(at, first)
#endif

/* the numbers of arrays: what ds_real is */
#ifdef DIFFSIM_REAL
typedef DIFFSIM_REAL show_real;
#else
typedef double show_real;
#endif

/* ---- what an example sees ---- */

/* SWITCH: int, becomes 1; INTEGER: int; NUMBER: double; TEXT: const char *, not copied */
typedef enum show_kind { SHOW_SWITCH, SHOW_INTEGER, SHOW_NUMBER, SHOW_TEXT } show_kind;

/* One option of the command line. The variable's value at the start is the default that --help prints. */
typedef struct show_flag {
    const char *name;    /* "--wall" */
    show_kind   kind;
    void       *to;      /* variable of that kind */
    const char *help;    /* "height of the wall (m)" */
} show_flag;

/* The common options, and what the other functions remember. */
typedef struct show {
    int      quick;      /* do a run of seconds */
    int      threads;    /* at least 1; 1 unless asked for more */
    unsigned seed;       /* 1 unless asked for another */
    char     out[400];   /* folder of all files, exists */

    char   program[64];                       /* the rest is private */
    int    gnuplot, told_png, told_plot;      /* gnuplot: 0 not asked yet, 1 there, -1 missing */
    int    ffmpeg;                            /* likewise */
    int    n_files, failed;
    int    line_open, line_shown;             /* progress line: unfinished; per mille it shows */
    long   line_total;
    time_t line_start, line_time;
} show;

/* A picture. Pixel (column, row) of world point (x, y): (x - x_min) * scale, (y_max - y) * scale. */
typedef struct show_canvas {
    int            width, height;    /* pixels */
    double         x_min, y_max;     /* world point of the upper left corner */
    double         scale;            /* pixels per unit of the world */
    unsigned char *rgb;              /* [height][width][3] upper row first */
    unsigned char *mask;             /* [height][width] coverage by the shape being drawn, 0 between shapes */
} show_canvas;

enum { SHOW_CURVES = 8 };

/* A diagram, { 0 } to begin with. Labels with their unit; ^2 and _i are raised and lowered in the picture. */
typedef struct show_plot {
    const char *title, *x_label, *y_label;
    int         log_x, log_y;        /* logarithmic axis; points with values <= 0 are left out */
    int         points;              /* mark the points as well */
    size_t      n_curves, n_lost;    /* the rest is filled by show_curve; n_lost: more than fit */
    struct { const char *name; const show_real *x, *y; size_t n; } curve[SHOW_CURVES];
} show_plot;

/* colours that colour-blind people tell apart, after Okabe and Ito */
#define SHOW_WHITE  0xFFFFFFu
#define SHOW_INK    0x202428u
#define SHOW_GREY   0x8A9099u
#define SHOW_PALE   0xE4E7EBu
#define SHOW_BLUE   0x0072B2u
#define SHOW_RED    0xD55E00u
#define SHOW_GREEN  0x009E73u
#define SHOW_ORANGE 0xE69F00u
#define SHOW_SKY    0x56B4E9u
#define SHOW_PINK   0xCC79A7u

/* ---- messages ---- */

/* finishes an unfinished progress line so that other text starts on a line of its own */
static inline void showi_close_line(show *s)
{
    if (s->line_open) fputc('\n', stderr);
    s->line_open = 0;
}

SHOW_PRINTF(2, 3)
static inline void showi_say(show *s, const char *format, ...)
{
    va_list args;
    showi_close_line(s);
    fprintf(stderr, "%s: ", s->program);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* opens out/name for writing; path receives the whole name; a failure is said and makes show_end return 1 */
static inline FILE *showi_open(show *s, const char *name, char *path, size_t size)
{
    FILE *file = NULL;
    int length = snprintf(path, size, "%s/%s", s->out, name);
    errno = 0;
    if (length > 0 && (size_t)length < size) file = fopen(path, "wb");
    if (!file) {
        showi_say(s, "cannot write '%s/%s': %s", s->out, name, errno ? strerror(errno) : "name too long");
        s->failed = 1;
    }
    return file;
}

/* closes a file of showi_open; 1 if all of it was written */
static inline int showi_shut(show *s, FILE *file, const char *path)
{
    int bad = ferror(file);
    if (fclose(file) != 0 || bad) {
        showi_say(s, "cannot write all of '%s'", path);
        s->failed = 1;
        return 0;
    }
    s->n_files++;
    return 1;
}

/* ---- command line ---- */

static inline void showi_help_row(const show_flag *f)
{
    static const char *const WHAT[] = { "", " N", " X", " TEXT" };
    char left[64];
    snprintf(left, sizeof left, "%s%s", f->name, strcmp(f->name, "--out") ? WHAT[f->kind] : " DIR");
    printf("  %-18s %s", left, f->help);
    if (f->kind == SHOW_INTEGER) printf(" [%d]", *(int *)f->to);
    if (f->kind == SHOW_NUMBER)  printf(" [%g]", *(double *)f->to);
    if (f->kind == SHOW_TEXT && *(const char **)f->to) printf(" [%s]", *(const char **)f->to);
    putchar('\n');
}

/* stores an option's value; 0 if the text is not of its kind */
static inline int showi_set(const show_flag *f, const char *text)
{
    char *end = NULL;
    if (f->kind == SHOW_TEXT) {
        *(const char **)f->to = text;
        return *text != 0;
    }
    if (f->kind == SHOW_NUMBER) {
        double v = strtod(text, &end);
        *(double *)f->to = v;
        return end != text && *end == 0 && v - v == 0;
    } else {
        long v = strtol(text, &end, 10);
        *(int *)f->to = (int)v;
        return end != text && *end == 0 && v >= -2147483647L && v <= 2147483647L;
    }
}

/* the option called name (n characters long), or NULL */
static inline const show_flag *showi_find(const show_flag *flags, size_t n_flags, const char *name, size_t n)
{
    size_t k;
    for (k = 0; k < n_flags; k++)
        if (strlen(flags[k].name) == n && memcmp(flags[k].name, name, n) == 0) return &flags[k];
    return NULL;
}

/* the program ends here when the command line is wrong */
static inline void showi_refuse(show *s, const char *what, const char *word, const char *why)
{
    showi_say(s, "%s '%s'%s; --help lists the options", what, word, why);
    exit(2);
}

/* takes the option at argv[at], and its value, as the next word or behind '='; returns the words taken */
static inline int showi_take(show *s, const show_flag *f, int at, int argc, char **argv)
{
    static const char *const NEEDS[] = { "", " needs a whole number", " needs a number", " needs a value" };
    const char *why = strcmp(f->name, "--out") ? NEEDS[f->kind] : " needs a folder";
    const char *value = strchr(argv[at], '=');
    int words = 1;
    if (f->kind == SHOW_SWITCH) {
        if (value) showi_refuse(s, "option", f->name, " takes no value");
        *(int *)f->to = 1;
        return 1;
    }
    if (value) {
        value++;
    } else {
        if (at + 1 == argc || strncmp(argv[at + 1], "--", 2) == 0) showi_refuse(s, "option", f->name, why);
        value = argv[at + 1];
        words = 2;
    }
    if (!showi_set(f, value)) showi_refuse(s, "option", f->name, why);
    return words;
}

/* makes a folder and those above it; 1 if files can be made there */
static inline int showi_make_folder(const char *path)
{
    char part[420];
    size_t k, n = strlen(path);
    FILE *file;
    for (k = 1; k <= n; k++) {
        if (k < n && path[k] != '/' && path[k] != '\\') continue;
        snprintf(part, sizeof part, "%.*s", (int)k, path);
#ifdef _WIN32
        _mkdir(part);
#else
        mkdir(part, 0777);
#endif
    }
    snprintf(part, sizeof part, "%s/.show", path);
    file = fopen(part, "wb");
    if (!file) return 0;
    fclose(file);
    remove(part);
    return 1;
}

/* the program's name without folders; out beside the folder build, wherever the program is called from */
static inline void showi_names(show *s, const char *argv0)
{
    const char *base = argv0 ? argv0 : "example", *p;
    size_t above;
    for (p = base; *p; p++)
        if ((*p == '/' || *p == '\\') && p[1]) base = p + 1;
    snprintf(s->program, sizeof s->program, "%s", base);
    snprintf(s->out, sizeof s->out, "out");
    above = argv0 ? (size_t)(base - argv0) : 0;
    if (above >= 6 && memcmp(base - 6, "build", 5) == 0 && above < sizeof s->out) {
        above -= 6;
        if (above == 0 || argv0[above - 1] == '/' || argv0[above - 1] == '\\')
            snprintf(s->out, sizeof s->out, "%.*sout", (int)above, argv0);
    }
}

/* goes through the command line; rows: the four common options */
static inline void showi_parse(show *s, int argc, char **argv, const char *idea, const show_flag *rows,
                               const show_flag *flags, size_t n)
{
    int at;
    size_t k;
    for (at = 1; at < argc; ) {
        size_t length = strcspn(argv[at], "=");
        const show_flag *f = showi_find(rows, 4, argv[at], length);
        if (!f) f = showi_find(flags, n, argv[at], length);
        if (!f && (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)) {
            printf("%s: %s\n\n", s->program, idea);
            for (k = 0; k < n; k++) showi_help_row(&flags[k]);
            for (k = 0; k < 4; k++) showi_help_row(&rows[k]);
            exit(0);
        }
        if (!f) showi_refuse(s, argv[at][0] == '-' ? "unknown option" : "unexpected word", argv[at], "");
        else at += showi_take(s, f, at, argc, argv);
    }
}

/* Reads the command line, answers --help, makes the folder out. A wrong option ends the program, status 2.
   idea    what the example does, one line        flags   [n] options of its own, NULL if none */
static inline show show_start(int argc, char **argv, const char *idea, const show_flag *flags, size_t n)
{
    static const show_flag ROW[4] = { { "--quick",   SHOW_SWITCH,  NULL, "a run of seconds" },
                                      { "--out",     SHOW_TEXT,    NULL, "folder for pictures and data" },
                                      { "--threads", SHOW_INTEGER, NULL, "worker threads" },
                                      { "--seed",    SHOW_INTEGER, NULL, "start of the random numbers" } };
    show s;
    int seed = 1;
    const char *out = s.out;
    show_flag rows[4];
    memset(&s, 0, sizeof s);
    memcpy(rows, ROW, sizeof rows);
    rows[0].to = &s.quick;
    rows[1].to = &out;
    rows[2].to = &s.threads;
    rows[3].to = &seed;
    s.threads = 1;
    showi_names(&s, argc > 0 ? argv[0] : NULL);
    showi_parse(&s, argc, argv, idea, rows, flags, n);

    if (s.threads < 1) showi_refuse(&s, "option", "--threads", " needs at least 1");
    if (seed < 0) showi_refuse(&s, "option", "--seed", " needs 0 or more");
    if (strlen(out) >= sizeof s.out) showi_refuse(&s, "option", "--out", " has a name that is too long");
    s.seed = (unsigned)seed;
    if (out != s.out) strcpy(s.out, out);
    if (!showi_make_folder(s.out)) {
        showi_say(&s, "cannot write into the folder '%s': %s", s.out, strerror(errno));
        exit(2);
    }
    return s;
}

/* ---- progress ---- */

static inline int showi_terminal(void)
{
#ifdef _WIN32
    return _isatty(2);
#else
    return isatty(2);
#endif
}

/* Says that done of total steps are made; format and the rest are a note as of printf. Cheap enough for every
   step. done == total ends the line; a new count (less done, or another total) begins a new one. Print
   nothing of your own before it has ended. */
SHOW_PRINTF(4, 5)
static inline void show_progress(show *s, long done, long total, const char *format, ...)
{
    char note[80], line[160];
    va_list args;
    time_t now = time(NULL);
    int terminal, mille = total > 0 ? (int)(1000.0 * (double)done / (double)total) : 1000;
    double elapsed;
    if (!s->line_open || s->line_total != total || mille < s->line_shown) {
        showi_close_line(s);
        s->line_start = now;
        s->line_total = total;
    } else if (mille == s->line_shown && now == s->line_time && done < total) return;
    terminal = showi_terminal();
    s->line_open = terminal;
    s->line_shown = mille;
    s->line_time = now;
    if (!terminal && done < total) return;

    va_start(args, format);
    vsnprintf(note, sizeof note, format, args);
    va_end(args);
    elapsed = difftime(now, s->line_start);
    if (terminal) {
        static const char BAR[] = "########################";
        int full = mille * 24 / 1000;
        full = full < 0 ? 0 : full > 24 ? 24 : full;
        snprintf(line, sizeof line, "[%-24.*s] %3d %%  %s", full, BAR, mille / 10, note);
        if (done < total && elapsed >= 2 && mille > 0)
            snprintf(note, sizeof note, "  %.0f s left", elapsed * (1000 - mille) / mille + 0.5);
        else
            snprintf(note, sizeof note, "  %.0f s", elapsed);
        fprintf(stderr, "\r%-66.66s%-12.12s", line, note);
        fflush(stderr);
    } else {
        fprintf(stderr, "%s: %ld of %ld%s%s\n", s->program, done, total, *note ? ", " : "", note);
    }
    if (done >= total) showi_close_line(s);
}

/* ---- colours ---- */

/* t = 0 gives a, t = 1 gives b */
static inline uint32_t show_mix(uint32_t a, uint32_t b, double t)
{
    uint32_t mixed = 0;
    int shift;
    t = t > 0 ? (t < 1 ? t : 1) : 0;
    for (shift = 0; shift < 32; shift += 8) {
        double u = (double)(a >> shift & 255), v = (double)(b >> shift & 255);
        mixed |= (uint32_t)(u + (v - u) * t + 0.5) << shift;
    }
    return mixed;
}

/* the colour with opacity 0 (invisible) to 1 (solid); the uppermost byte of a colour is its transparency */
static inline uint32_t show_fade(uint32_t colour, double opacity)
{
    opacity = opacity > 0 ? (opacity < 1 ? opacity : 1) : 0;
    return (colour & 0xFFFFFFu) | (uint32_t)(255 * (1 - opacity) + 0.5) << 24;
}

/* t from 0 to 1 as dark blue, green, yellow (nearly viridis): grows evenly in brightness */
static inline uint32_t show_heat(double t)
{
    static const uint32_t NODE[6] = { 0x440154u, 0x414487u, 0x2A788Eu, 0x22A884u, 0x7AD151u, 0xFDE725u };
    int k;
    t = 5 * (t > 0 ? (t < 1 ? t : 1) : 0);
    k = t < 4 ? (int)t : 4;
    return show_mix(NODE[k], NODE[k + 1], t - k);
}

/* ---- canvas ----
   A shape is drawn in two passes: how much of each pixel it covers goes into the mask, where the largest
   value wins, and then the covered rectangle is blended once. So the joints of a transparent polyline are no
   darker than its middle. Coverage is exact for boxes, elsewhere that of a half-plane equally far away. */

/* Makes a white picture of that many pixels in width; the height follows, so that circles are round.
   Returns NULL without memory or if the rectangle is empty; all functions accept that. */
static inline show_canvas *show_canvas_create(int width, double x_min, double x_max, double y_min,
                                              double y_max)
{
    double scale = width / (x_max - x_min), height = floor(scale * (y_max - y_min) + 0.5);
    show_canvas *c;
    size_t pixels;
    if (!(width > 0 && width <= 16384 && x_max > x_min && height >= 1 && height <= 16384)) return NULL;
    pixels = (size_t)width * (size_t)height;
    c = (show_canvas *)malloc(sizeof *c + 4 * pixels);
    if (!c) return NULL;
    c->width = width;
    c->height = (int)height;
    c->x_min = x_min;
    c->y_max = y_max;
    c->scale = scale;
    c->rgb = (unsigned char *)(c + 1);
    c->mask = c->rgb + 3 * pixels;
    memset(c->rgb, 255, 3 * pixels);
    memset(c->mask, 0, pixels);
    return c;
}

static inline void show_canvas_destroy(show_canvas *c)
{
    free(c);
}

typedef struct showi_area { int x0, y0, x1, y1; } showi_area;    /* columns x0..x1-1, rows y0..y1-1 */

static inline double showi_column(const show_canvas *c, const show_real *p)
{
    return ((double)p[0] - c->x_min) * c->scale;
}

static inline double showi_row(const show_canvas *c, const show_real *p)
{
    return (c->y_max - (double)p[1]) * c->scale;
}

/* v cut to 0..most as an integer; not a number gives 0 */
static inline int showi_cut(double v, int most)
{
    return v > 0 ? (v < most ? (int)v : most) : 0;
}

/* the pixels of the canvas that a rectangle touches */
static inline showi_area showi_touched(const show_canvas *c, double x0, double y0, double x1, double y1)
{
    showi_area a;
    a.x0 = showi_cut(floor(x0), c->width);
    a.y0 = showi_cut(floor(y0), c->height);
    a.x1 = showi_cut(ceil(x1), c->width);
    a.y1 = showi_cut(ceil(y1), c->height);
    return a;
}

static inline void showi_cover(show_canvas *c, int column, int row, double part)
{
    unsigned char *m = c->mask + (size_t)row * (size_t)c->width + (size_t)column;
    int v = showi_cut(255 * part + 0.5, 255);
    if (v > *m) *m = (unsigned char)v;
}

/* mixes the colour into the area as far as the mask says, and zeroes the mask there */
static inline void showi_blend(show_canvas *c, showi_area a, uint32_t colour)
{
    int column, row, k, opacity = 255 - (int)(colour >> 24);
    for (row = a.y0; row < a.y1; row++) {
        unsigned char *m = c->mask + (size_t)row * (size_t)c->width + (size_t)a.x0;
        unsigned char *p = c->rgb + 3 * ((size_t)row * (size_t)c->width + (size_t)a.x0);
        for (column = a.x0; column < a.x1; column++, m++, p += 3) {
            int part = *m * opacity;
            if (part == 0) continue;
            for (k = 0; k < 3; k++) {
                int to = (int)(colour >> (16 - 8 * k) & 255u);
                p[k] = (unsigned char)((p[k] * (65025 - part) + to * part + 32512) / 65025);
            }
        }
        if (a.x1 > a.x0) memset(m - (a.x1 - a.x0), 0, (size_t)(a.x1 - a.x0));
    }
}

/* covers what is nearer than r to the line from (ax, ay) to (bx, by), in pixels; a disc if both are equal */
static inline showi_area showi_capsule(show_canvas *c, double ax, double ay, double bx, double by, double r)
{
    double dx = bx - ax, dy = by - ay, length2 = dx * dx + dy * dy, reach = r + 0.5;
    showi_area a = showi_touched(c, (ax < bx ? ax : bx) - reach, (ay < by ? ay : by) - reach,
                                 (ax > bx ? ax : bx) + reach, (ay > by ? ay : by) + reach);
    int column, row;
    if (!(length2 < 1e300)) a.x1 = a.x0;    /* not a number, or beyond all bounds */
    for (row = a.y0; row < a.y1; row++) {
        for (column = a.x0; column < a.x1; column++) {
            double x = column + 0.5 - ax, y = row + 0.5 - ay, t = 0, d, inner, outer;
            if (length2 > 0) {
                t = (x * dx + y * dy) / length2;
                t = t > 0 ? (t < 1 ? t : 1) : 0;
            }
            x -= t * dx;
            y -= t * dy;
            d = sqrt(x * x + y * y);
            /* overlap of the pixel, d - 1/2 to d + 1/2, with -r to r: right for hairlines too */
            outer = d + 0.5 < r ? d + 0.5 : r;
            inner = d - 0.5 > -r ? d - 0.5 : -r;
            if (outer > inner) showi_cover(c, column, row, outer - inner);
        }
    }
    return a;
}

/* Fills the whole picture. */
static inline void show_clear(show_canvas *c, uint32_t colour)
{
    size_t k, n = c ? (size_t)c->width * (size_t)c->height : 0;
    for (k = 0; k < n; k++) {
        c->rgb[3 * k]     = (unsigned char)(colour >> 16 & 255u);
        c->rgb[3 * k + 1] = (unsigned char)(colour >> 8 & 255u);
        c->rgb[3 * k + 2] = (unsigned char)(colour & 255u);
    }
}

/* Fills a disc; radius in the world's unit. */
static inline void show_disc(show_canvas *c, const show_real *centre, double radius, uint32_t colour)
{
    double x, y;
    if (!c) return;
    x = showi_column(c, centre);
    y = showi_row(c, centre);
    showi_blend(c, showi_capsule(c, x, y, x, y, radius * c->scale), colour);
}

/* Fills a disc; width across in pixels. */
static inline void show_dot(show_canvas *c, const show_real *centre, double width, uint32_t colour)
{
    if (c) show_disc(c, centre, 0.5 * width / c->scale, colour);
}

/* Draws a line with round ends; width in pixels. */
static inline void show_line(show_canvas *c, const show_real *from, const show_real *to, double width,
                             uint32_t colour)
{
    if (!c) return;
    showi_blend(c, showi_capsule(c, showi_column(c, from), showi_row(c, from),
                                 showi_column(c, to), showi_row(c, to), 0.5 * width), colour);
}

/* Joins n points by lines.
   points  the first point; the next one stands stride numbers later: 2 in the plane, 3 in space */
static inline void show_polyline(show_canvas *c, const show_real *points, size_t n, size_t stride,
                                 double width, uint32_t colour)
{
    showi_area all = { 0, 0, 0, 0 };
    size_t k;
    if (!c) return;
    for (k = 0; k + 1 < n; k++) {
        const show_real *p = points + k * stride, *q = p + stride;
        showi_area a = showi_capsule(c, showi_column(c, p), showi_row(c, p),
                                     showi_column(c, q), showi_row(c, q), 0.5 * width);
        if (a.x1 <= a.x0 || a.y1 <= a.y0) continue;
        if (all.x1 == 0) all = a;
        if (a.x0 < all.x0) all.x0 = a.x0;
        if (a.y0 < all.y0) all.y0 = a.y0;
        if (a.x1 > all.x1) all.x1 = a.x1;
        if (a.y1 > all.y1) all.y1 = a.y1;
    }
    showi_blend(c, all, colour);
}

/* Fills a triangle, either way round. An opaque one is half a pixel larger on every side, so that no
   background shines through between the triangles of a mesh. */
static inline void show_triangle(show_canvas *c, const show_real *p0, const show_real *p1,
                                 const show_real *p2, uint32_t colour)
{
    double x[3], y[3], nx[3], ny[3], area, grow = colour >> 24 ? 0 : 0.5;
    showi_area a;
    int column, row, k;
    if (!c) return;
    x[0] = showi_column(c, p0);  x[1] = showi_column(c, p1);  x[2] = showi_column(c, p2);
    y[0] = showi_row(c, p0);     y[1] = showi_row(c, p1);     y[2] = showi_row(c, p2);
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    if (!(fabs(area) > 0 && fabs(area) < 1e300)) return;
    for (k = 0; k < 3; k++) {                                  /* unit normals of the edges, inwards */
        int j = k < 2 ? k + 1 : 0;
        double dx = x[j] - x[k], dy = y[j] - y[k], length = sqrt(dx * dx + dy * dy);
        nx[k] = (area > 0 ? -dy : dy) / length;
        ny[k] = (area > 0 ? dx : -dx) / length;
    }
    a = showi_touched(c, fmin(x[0], fmin(x[1], x[2])) - grow, fmin(y[0], fmin(y[1], y[2])) - grow,
                      fmax(x[0], fmax(x[1], x[2])) + grow, fmax(y[0], fmax(y[1], y[2])) + grow);
    for (row = a.y0; row < a.y1; row++) {
        for (column = a.x0; column < a.x1; column++) {
            double part = 1;
            for (k = 0; k < 3; k++) {
                double d = (column + 0.5 - x[k]) * nx[k] + (row + 0.5 - y[k]) * ny[k] + 0.5 + grow;
                if (d < part) part = d;
            }
            showi_cover(c, column, row, part);
        }
    }
    showi_blend(c, a, colour);
}

/* Fills the rectangle between two opposite corners: grounds, walls, the cells of a grid. */
static inline void show_box(show_canvas *c, double x0, double y0, double x1, double y1, uint32_t colour)
{
    double l, r, t, b;
    showi_area a;
    int column, row;
    if (!c) return;
    l = (fmin(x0, x1) - c->x_min) * c->scale;
    r = (fmax(x0, x1) - c->x_min) * c->scale;
    t = (c->y_max - fmax(y0, y1)) * c->scale;
    b = (c->y_max - fmin(y0, y1)) * c->scale;
    a = showi_touched(c, l, t, r, b);
    for (row = a.y0; row < a.y1; row++) {
        double high = fmin(b, row + 1) - fmax(t, row);
        for (column = a.x0; column < a.x1; column++)
            showi_cover(c, column, row, high * (fmin(r, column + 1) - fmax(l, column)));
    }
    showi_blend(c, a, colour);
}

/* Fills the whole picture with a field on a grid, in the colours of show_heat, linear between the centres
   of the cells.
   values  [ny][nx] lowest row first          low, high  values of the first and the last colour */
static inline void show_field(show_canvas *c, const show_real *values, int nx, int ny, double low,
                              double high)
{
    int column, row, k;
    if (!c || nx < 1 || ny < 1) return;
    for (row = 0; row < c->height; row++) {
        double y = fmax(0, (c->height - row - 0.5) * ny / c->height - 0.5);
        int j = showi_cut(y, ny - 1), j1 = j + 1 < ny ? j + 1 : j;
        for (column = 0; column < c->width; column++) {
            double x = fmax(0, (column + 0.5) * nx / c->width - 0.5), below, above;
            int i = showi_cut(x, nx - 1), i1 = i + 1 < nx ? i + 1 : i;
            const show_real *v = values + (size_t)j * (size_t)nx, *w = values + (size_t)j1 * (size_t)nx;
            unsigned char *p = c->rgb + 3 * ((size_t)row * (size_t)c->width + (size_t)column);
            uint32_t colour;
            below = (double)v[i] + (x - i) * ((double)v[i1] - (double)v[i]);
            above = (double)w[i] + (x - i) * ((double)w[i1] - (double)w[i]);
            colour = show_heat((below + (y - j) * (above - below) - low) / (high - low));
            for (k = 0; k < 3; k++) p[k] = (unsigned char)(colour >> (16 - 8 * k) & 255u);
        }
    }
}

#if SHOW_PNG
static inline void showi_png_bytes(void *file, void *bytes, int n)
{
    fwrite(bytes, 1, (size_t)n, (FILE *)file);
}
#endif

/* Writes out/name as PNG; name is a format as of printf: show_canvas_save(c, &s, "frame_%03d.png", i).
   Without stb_image_write it says so once and does nothing. */
SHOW_PRINTF(3, 4)
static inline void show_canvas_save(const show_canvas *c, show *s, const char *name, ...)
{
#if SHOW_PNG
    char file_name[256], path[700];
    va_list args;
    FILE *file;
    if (!c) return;
    va_start(args, name);
    vsnprintf(file_name, sizeof file_name, name, args);
    va_end(args);
    file = showi_open(s, file_name, path, sizeof path);
    if (!file) return;
    stbi_write_png_to_func(showi_png_bytes, file, c->width, c->height, 3, c->rgb, 3 * c->width);
    showi_shut(s, file, path);
#else
    (void)c;
    (void)name;
    if (!s->told_png) showi_say(s, "no pictures: apt-get install libstb-dev");
    s->told_png = 1;
#endif
}

/* ---- surfaces in space ---- */

/* A view from far away: turn is the eye's angle around y (0: it looks along -z, x to the right), tilt its
   height above the horizon (radians). show_see: where a point of space is in the picture's plane; returns
   how near it is to the eye. */
typedef struct show_view { double turn, tilt; } show_view;
static inline double show_see(show_view v, const show_real *point, show_real *flat)
{
    double ct = cos(v.turn), st = sin(v.turn), ce = cos(v.tilt), se = sin(v.tilt);
    double x = (double)point[0], y = (double)point[1], z = (double)point[2], deep = st * x + ct * z;
    flat[0] = (show_real)(ct * x - st * z);
    flat[1] = (show_real)(ce * y - se * deep);
    return se * y + ce * deep;
}

typedef struct showi_face { double near; show_real at[3][2]; uint32_t colour; } showi_face;
static inline int showi_nearer(const void *a, const void *b)
{
    double x = ((const showi_face *)a)->near, y = ((const showi_face *)b)->near;
    return (x > y) - (x < y);
}

/* how a triangle faces the light, 0 to 1; it comes over the viewer's left shoulder, and both sides are lit */
static inline double showi_lit(const double at[3][3])
{
    double a[3], b[3], n[3], length;
    int k;
    for (k = 0; k < 3; k++) a[k] = at[1][k] - at[0][k], b[k] = at[2][k] - at[0][k];
    for (k = 0; k < 3; k++) n[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
    length = sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
    return length > 0 ? fabs(-0.37 * n[0] + 0.56 * n[1] + 0.74 * n[2]) / length : 0;
}

/* Draws n triangles, those that are far away first, each shaded and outlined.
   points  [][3]          triangles  [n][3] numbers of points */
static inline void show_surface(show_canvas *c, show_view v, const show_real *points,
                                const int32_t *triangles, size_t n, uint32_t colour)
{
    showi_face *face = c && n ? (showi_face *)malloc(n * sizeof *face) : NULL;
    size_t i;
    int k;
    if (!face) return;
    for (i = 0; i < n; i++) {
        double at[3][3];
        face[i].near = 0;
        for (k = 0; k < 3; k++) {
            at[k][2] = show_see(v, points + 3 * triangles[3 * i + (size_t)k], face[i].at[k]);
            at[k][0] = (double)face[i].at[k][0];
            at[k][1] = (double)face[i].at[k][1];
            face[i].near += at[k][2];
        }
        face[i].colour = show_mix(show_mix(SHOW_INK, colour, 0.35), show_mix(colour, SHOW_WHITE, 0.25),
                                  showi_lit((const double (*)[3])at));
    }
    qsort(face, n, sizeof *face, showi_nearer);
    for (i = 0; i < n; i++) {
        show_triangle(c, face[i].at[0], face[i].at[1], face[i].at[2], face[i].colour);
        for (k = 0; k < 3; k++)
            show_line(c, face[i].at[k], face[i].at[(k + 1) % 3], 1, show_fade(SHOW_INK, 0.3));
    }
    free(face);
}

/* ---- curves ---- */

/* Adds a curve through n points; nothing is copied until show_plot_save.
   name  for the legend, NULL if there is one curve only          x  [n] NULL: 0, 1, 2, ...          y  [n] */
static inline void show_curve(show_plot *p, const char *name, const show_real *x, const show_real *y,
                              size_t n)
{
    if (p->n_curves == SHOW_CURVES) {
        p->n_lost++;
        return;
    }
    p->curve[p->n_curves].name = name;
    p->curve[p->n_curves].x = x;
    p->curve[p->n_curves].y = y;
    p->curve[p->n_curves].n = n;
    p->n_curves++;
}

/* 1 if all curves have the same x, which is then the first column; otherwise each curve has its own pair */
static inline int showi_same_x(const show_plot *p)
{
    size_t k;
    for (k = 1; k < p->n_curves; k++)
        if (p->curve[k].x != p->curve[0].x) return 0;
    return 1;
}

static inline const char *showi_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

/* one cell of the table; what is not finite makes a gap in the curve */
static inline void showi_cell(FILE *file, double v)
{
    if (v - v == 0) fprintf(file, "%.12g", v);
    else fputs("NaN", file);
}

/* a heading, then one row per point; curves that have ended leave their cells empty */
static inline void showi_table(const show_plot *p, FILE *file)
{
    int same = showi_same_x(p);
    size_t i, k, rows = 0;
    for (k = 0; k < p->n_curves; k++) {
        if (k > 0) fputc('\t', file);
        if (k == 0 || !same) fprintf(file, "%s\t", showi_or(p->x_label, "x"));
        fputs(showi_or(p->curve[k].name, showi_or(p->y_label, "y")), file);
        if (p->curve[k].n > rows) rows = p->curve[k].n;
    }
    fputc('\n', file);
    for (i = 0; i < rows; i++) {
        for (k = 0; k < p->n_curves; k++) {
            const show_real *x = p->curve[k].x, *y = p->curve[k].y;
            int there = i < p->curve[k].n;
            if (k > 0) fputc('\t', file);
            if (k == 0 || !same) {
                if (there || same) showi_cell(file, x ? (double)x[i] : (double)i);
                fputc('\t', file);
            }
            if (there) showi_cell(file, (double)y[i]);
        }
        fputc('\n', file);
    }
}

/* a string of gnuplot's: in single quotes, those inside doubled */
static inline void showi_quote(FILE *file, const char *before, const char *text, const char *after)
{
    fprintf(file, "%s'", before);
    for (; text && *text; text++) {
        if (*text == '\'') fputc('\'', file);
        fputc(*text, file);
    }
    fprintf(file, "'%s", after);
}

/* the gnuplot program that makes name.png from name.tsv; it stays beside them to be changed and run again */
static inline void showi_script(const show_plot *p, FILE *file, const char *name)
{
    static const uint32_t COLOUR[SHOW_CURVES] = { SHOW_BLUE, SHOW_RED, SHOW_GREEN, SHOW_ORANGE, SHOW_PINK,
                                                  SHOW_SKY, SHOW_INK, SHOW_GREY };
    int same = showi_same_x(p);
    size_t k;
    fprintf(file, "# gnuplot %s.gp makes %s.png\n", name, name);
    fputs("if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {\n"
          "    set terminal pngcairo size 960,600 font 'Sans,13' background '#FFFFFF'\n"
          "} else {\n"
          "    set terminal png size 960,600 truecolor\n"
          "}\n"
          "set encoding utf8\n"
          "set border 3 lc '#8A9099'\n"
          "set tics nomirror textcolor '#202428'\n"
          "set grid xtics ytics lc '#DDDDDD' lw 1 lt 1\n"
          "set key outside top center horizontal Left reverse samplen 2\n"
          "set format '%h'\n"
          "set rmargin 4\n"
          "set datafile separator tab\n", file);
    if (p->title)    /* a label: a title would stand below the key */
        showi_quote(file, "set size 1, 0.94\nset label ", p->title,
                    " at graph 0.5, screen 0.965 center font ',15'\n");
    showi_quote(file, "set xlabel ", showi_or(p->x_label, "x"), "\n");
    showi_quote(file, "set ylabel ", showi_or(p->y_label, "y"), "\n");
    fputs(p->log_x ? "set logscale x\n" : "set autoscale xfix\n", file);
    fputs(p->log_y ? "set logscale y\n"
                   : "set autoscale yfix\nset offsets 0, 0, graph 0.05, graph 0.05\n", file);
    fprintf(file, "set output '%s.png'\nplot", name);
    for (k = 0; k < p->n_curves; k++) {
        int x = same ? 1 : 2 * (int)k + 1, y = same ? (int)k + 2 : x + 1;
        fprintf(file, "%s '%s.tsv' skip 1 using %d:%d with %s lw 2 lc '#%06lX' ",
                k ? ", \\\n    " : "", name, x, y, p->points ? "linespoints pt 7 ps 0.8" : "lines",
                (unsigned long)COLOUR[k]);
        if (p->curve[k].name) showi_quote(file, "title ", p->curve[k].name, "");
        else fputs("notitle", file);
    }
    fputc('\n', file);
}

/* runs a command of the shell in the folder, NULL for where we are, without its output; 1 if it went well */
static inline int showi_run(const char *folder, const char *command)
{
    char line[2400];
    size_t n = 0;
    if (folder) {
#ifdef _WIN32
        n = (size_t)snprintf(line, sizeof line, "cd /d \"%s\" && ", folder);
#else
        n = (size_t)snprintf(line, sizeof line, "cd -- '");
        for (; *folder; folder++)
            n += (size_t)snprintf(line + n, sizeof line - n, *folder == '\'' ? "'\\''" : "%c", *folder);
        n += (size_t)snprintf(line + n, sizeof line - n, "' && ");
#endif
    }
#ifdef _WIN32
    snprintf(line + n, sizeof line - n, "%s >NUL 2>&1", command);
#else
    snprintf(line + n, sizeof line - n, "%s >/dev/null 2>&1", command);
#endif
    fflush(stdout);
    return system(line) == 0;
}

/* Writes out/name.tsv and, with gnuplot, out/name.png and the out/name.gp that made it. Without gnuplot it
   says so once. name: letters, digits, _ and -. */
static inline void show_plot_save(const show_plot *p, show *s, const char *name)
{
    char file_name[128], command[160], path[700];
    FILE *file;
    if (p->n_lost) showi_say(s, "plot '%s' shows its first %d curves only", name, (int)SHOW_CURVES);
    if (p->n_curves == 0) return;
    snprintf(file_name, sizeof file_name, "%s.tsv", name);
    file = showi_open(s, file_name, path, sizeof path);
    if (!file) return;
    showi_table(p, file);
    if (!showi_shut(s, file, path)) return;

    if (s->gnuplot == 0) s->gnuplot = showi_run(NULL, "gnuplot --version") ? 1 : -1;
    if (s->gnuplot < 0) {
        if (!s->told_plot) showi_say(s, "no plots: apt-get install gnuplot-nox");
        s->told_plot = 1;
        return;
    }
    snprintf(file_name, sizeof file_name, "%s.gp", name);
    file = showi_open(s, file_name, path, sizeof path);
    if (!file) return;
    showi_script(p, file, name);
    if (!showi_shut(s, file, path)) return;
    snprintf(command, sizeof command, "gnuplot %s", file_name);
    if (showi_run(s->out, command)) {
        s->n_files++;
    } else {
        showi_say(s, "gnuplot makes no picture of '%s'", path);
        snprintf(path, sizeof path, "%s/%s.png", s->out, name);
        remove(path);    /* an empty or an old one */
    }
}

/* ---- films ---- */

/* A film that is being made: its frames lie in out/name.rgb until show_film_end. */
typedef struct show_film {
    show *s;
    FILE *file;    /* NULL: there is no ffmpeg, and nothing is done */
    char  name[64], path[700];
    int   width, height, frames;
} show_film;

/* Begins out/name.mp4; name: letters, digits, _ and -. Without ffmpeg it says so once. */
static inline show_film show_film_begin(show *s, const char *name)
{
    show_film f;
    char file_name[80];
    memset(&f, 0, sizeof f);
    f.s = s;
    snprintf(f.name, sizeof f.name, "%s", name);
    if (s->ffmpeg == 0) {
        s->ffmpeg = showi_run(NULL, "ffmpeg -version") ? 1 : -1;
        if (s->ffmpeg < 0) showi_say(s, "no films: apt-get install ffmpeg");
    }
    snprintf(file_name, sizeof file_name, "%s.rgb", f.name);
    if (s->ffmpeg > 0) f.file = showi_open(s, file_name, f.path, sizeof f.path);
    return f;
}

/* Adds a frame; all have the size of the first. */
static inline void show_film_frame(show_film *f, const show_canvas *c)
{
    if (!f->file || !c || (f->frames && (c->width != f->width || c->height != f->height))) return;
    f->width = c->width;
    f->height = c->height;
    f->frames++;
    fwrite(c->rgb, 3 * (size_t)c->width, (size_t)c->height, f->file);
}

/* Writes the film, so many frames a second. */
static inline void show_film_end(show_film *f, int per_second)
{
    char command[400];
    int whole;
    if (!f->file) return;
    whole = showi_shut(f->s, f->file, f->path);
    if (whole) f->s->n_files--;                   /* the frames do not stay */
    snprintf(command, sizeof command,
             "ffmpeg -y -f rawvideo -pixel_format rgb24 -video_size %dx%d -framerate %d -i %s.rgb "
             "-vf \"pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white\" -pix_fmt yuv420p %s.mp4",
             f->width, f->height, per_second, f->name, f->name);
    if (whole && f->frames && showi_run(f->s->out, command)) f->s->n_files++;
    else showi_say(f->s, "ffmpeg makes no film '%s'", f->name);
    remove(f->path);
    f->file = NULL;
}

/* ---- the end ---- */

/* Prints one line for the tests: result name value, with all digits. */
static inline void show_result(show *s, const char *name, double value)
{
    showi_close_line(s);
    printf("result %s %.17g\n", name, value);
    fflush(stdout);
}

/* Where nothing is left to do: says why, and ends the program. */
static inline void show_stop(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* n zeros; without memory the program ends */
static inline show_real *show_numbers(size_t n)
{
    show_real *const p = (show_real *)calloc(n ? n : 1, sizeof *p);
    if (!p) show_stop("no memory");
    return p;
}

/* Says where the files are. Returns what main returns: 0, or 1 if a file could not be written. */
static inline int show_end(show *s)
{
    if (s->n_files) showi_say(s, "%d file%s in %s", s->n_files, s->n_files == 1 ? "" : "s", s->out);
    showi_close_line(s);
    return s->failed;
}

#undef SHOW_PRINTF
#endif
