/* A world inside the loop of a game: frames that take as long as they take, steps that are always the same.

   A jelly stands on a floor, a ball swings on a rope, a curtain hangs; a hand, which is a sphere that the
   player moves, pushes them about. Every frame gives its time to ds_world_step, which does the steps that fit
   and says what part of a step is left over. Frame times jitter, and one frame takes half a second: no more
   than most_steps are done then, and the game is slow for a moment instead of for ever. What is drawn lies
   between the last two steps, so that motion is even though frames and steps do not go together; positions
   are read where they are. The input is looked at before each step and written down by the number of the
   step: played again with other frame times it gives the same bits. Memory comes from the game's allocator,
   and after the first frame none is asked for.

   make -C examples game_loop && examples/build/game_loop
   opens a window where SDL2 is installed (Debian: libsdl2-dev) and a display there; the mouse moves the hand.
   Elsewhere, or with --scripted, plays a script, draws game_1.png to game_4.png and, with ffmpeg, game.mp4.
   prints how long a frame's physics took; counts allocations; compares the game with its repetition. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"
#include "show.h"
#ifdef GAME_SDL
#include <SDL.h>
#endif

enum { SIDES = 4, WIDE = 8, HIGH = 10, LINKS = 10, MOST_STEPS = 80, MOST_LOG = 200000, MOST_FRAMES = 600 };
enum { JELLY, CURTAIN, ROPE, BALL, BODIES };
static const double DT = 5e-4, FRAME = 1.0 / 60, HITCH = 0.5; /* s */
static const double HAND_RADIUS = 0.14, HAND_SPEED = 1.5, BALL_RADIUS = 0.09; /* m, m/s, m */

/* an allocator that counts */
static void *counted(void *user, void *pointer, size_t old_bytes, size_t new_bytes)
{
    (void)old_bytes;
    if (new_bytes) {
        ++*(long *)user;
        return realloc(pointer, new_bytes);
    }
    free(pointer);
    return NULL;
}

/* where the hand shall go, for each step: what a game records to be played again */
typedef struct input_log {
    ds_real aim[MOST_LOG][2]; /* m */
    ds_real ball[MOST_LOG + 1][2]; /* where it was after so many steps */
    size_t n; /* steps */
} input_log;

typedef struct game {
    ds_world *world;
    ds_body bodies[BODIES], hands[BODIES]; /* the hand as each body meets it */
    ds_param centre[BODIES][2], velocity[BODIES][2]; /* of hands: controls */
    ds_real hand[2], aim[2]; /* m */
    ds_mesh jelly, curtain;
    ds_mesh_list skin; /* of the jelly */
    const input_log *replay; /* the aim comes from there */
    input_log *record;
    size_t steps; /* so far */
    double left; /* of a step */
    long allocations;
} game;

/* Before each step: the hand goes on towards its aim, at its own speed; the world takes it as controls. */
static void move_hand(void *user, ds_world *world, size_t step)
{
    game *const g = (game *)user;
    ds_real *const controls = ds_world_controls(world);
    if (g->replay) memcpy(g->aim, g->replay->aim[step], sizeof g->aim);
    if (g->record && step < MOST_LOG) memcpy(g->record->aim[step], g->aim, sizeof g->aim);
    const double way[2] = { (double)(g->aim[0] - g->hand[0]), (double)(g->aim[1] - g->hand[1]) };
    const double length = hypot(way[0], way[1]);
    const double speed = length > HAND_SPEED * DT ? HAND_SPEED : length / DT;
    for (int k = 0; k < 2; k++) {
        const ds_real v = (ds_real)(length > 0 ? way[k] / length * speed : 0);
        for (int b = 0; b < BODIES; b++) {
            controls[g->centre[b][k].first] = g->hand[k];
            controls[g->velocity[b][k].first] = v;
        }
        g->hand[k] += (ds_real)DT * v;
    }
}

static ds_number control(double value)
{
    ds_number r = ds_number_make(value);
    r.control = 1;
    return r;
}

/* how a body meets the floor and the hand */
static void add_contacts(game *g, int b)
{
    static const double OFFSET[BODIES] = { 0, 0.005, 0.01, 0.09 }; /* m: how thick it is */
    static const double STIFFNESS[BODIES] = { 1500, 200, 200, 2e4 }; /* N/m */
    const ds_number floor[4] = { ds_number_make(0), ds_number_make(1), ds_number_make(0), ds_number_make(0) };
    const ds_number sphere[4] = { control((double)g->hand[0]), control((double)g->hand[1]),
                                  ds_number_make(0), ds_number_make(HAND_RADIUS) };
    ds_contact contact;
    memset(&contact, 0, sizeof contact);
    contact.stiffness = ds_number_make(STIFFNESS[b]);
    contact.width = ds_number_make(2e-3);
    contact.offset = ds_number_make(OFFSET[b]);
    contact.friction = ds_number_make(0.3);
    contact.slip = ds_number_make(0.4);
    contact.damping = ds_number_make(0.3);
    ds_world_add_contact(g->world, g->bodies[b], DSIM_SHAPE_PLANE, floor, &contact);
    contact.velocity[0] = contact.velocity[1] = control(0);
    g->hands[b] = ds_world_add_contact(g->world, g->bodies[b], DSIM_SHAPE_SPHERE, sphere, &contact);
}

static void add_jelly(game *g)
{
    ds_mesh_box_desc box = { 0 };
    ds_solid solid = { 0 };
    box.origin = ds_v3_make((ds_real)-0.95, (ds_real)0.05, (ds_real)-0.2);
    box.size = ds_v3_make((ds_real)0.4, (ds_real)0.4, (ds_real)0.4);
    box.nx = box.ny = box.nz = SIDES;
    ds_mesh_box(&box, &g->jelly, NULL);
    ds_mesh_boundary(&g->jelly, &g->skin, NULL);
    solid.young = ds_number_make(6e3);
    solid.poisson = ds_number_make(0.35);
    solid.density = ds_number_make(200);
    solid.viscosity = ds_number_make(20);
    g->bodies[JELLY] = ds_world_add_solid(g->world, &g->jelly, &solid);
}

/* it hangs from its upper edge, across the way of the hand */
static void add_curtain(game *g)
{
    ds_mesh_cloth_desc cloth = { 0 };
    ds_cloth stuff;
    int32_t top[WIDE + 1];
    cloth.origin = ds_v3_make((ds_real)1.05, (ds_real)1.6, (ds_real)-0.4);
    cloth.u = ds_v3_make(0, 0, (ds_real)0.8);
    cloth.v = ds_v3_make(0, -1, 0);
    cloth.nx = WIDE;
    cloth.ny = HIGH;
    ds_mesh_cloth(&cloth, &g->curtain, NULL);
    memset(&stuff, 0, sizeof stuff);
    stuff.young = ds_number_make(2e4);
    stuff.poisson = ds_number_make(0.3);
    stuff.thickness = ds_number_make(1e-3);
    stuff.density = ds_number_make(300);
    stuff.bending = ds_number_make(1e-5);
    stuff.drag = ds_number_make(0.6);
    g->bodies[CURTAIN] = ds_world_add_cloth(g->world, &g->curtain, &stuff);
    for (int i = 0; i <= WIDE; i++) top[i] = i * (HIGH + 1);
    ds_world_pin(g->world, g->bodies[CURTAIN], top, WIDE + 1);
}

/* a rope of light points, let go to the left, and a heavy one at its end */
static void add_rope(game *g)
{
    ds_real x[LINKS][3] = { { 0 } };
    const int32_t pin = 0;
    int32_t ends[LINKS][2];
    ds_springs springs;
    for (int i = 0; i < LINKS; i++) {
        x[i][0] = (ds_real)(0.1 - 0.08 * i);
        x[i][1] = (ds_real)1.6;
    }
    const ds_real ball[3] = { (ds_real)(0.1 - 0.08 * LINKS), (ds_real)1.6, 0 };
    g->bodies[ROPE] = ds_world_add_points(g->world, x[0], LINKS, 0.02);
    g->bodies[BALL] = ds_world_add_points(g->world, ball, 1, 0.5);
    const int32_t first = (int32_t)ds_world_points(g->world, g->bodies[ROPE]).first;
    for (int i = 0; i < LINKS; i++) ends[i][0] = first + i, ends[i][1] = first + i + 1;
    springs.stiffness = ds_number_make(5000);
    springs.damping = ds_number_make(2);
    const ds_body all = { NULL, 0 };
    ds_world_add_springs(g->world, all, ends[0], LINKS, &springs);
    ds_world_pin(g->world, g->bodies[ROPE], &pin, 1);
}

static int begin(game *g, const input_log *replay, input_log *record)
{
    static const char *const NAMES[2][2] = { { "centre x", "centre y" }, { "velocity x", "velocity y" } };
    ds_world_desc desc = { 0 };
    memset(g, 0, sizeof *g);
    g->replay = replay;
    g->record = record;
    g->hand[0] = g->aim[0] = (ds_real)-1.4;
    g->hand[1] = g->aim[1] = (ds_real)0.25;
    desc.runner.allocator.resize = counted;
    desc.runner.allocator.user = &g->allocations;
    desc.integrator.dt = DT;
    desc.gravity = ds_v3_make(0, (ds_real)-9.81, 0);
    desc.most_steps = MOST_STEPS;
    desc.before_step = move_hand;
    desc.user = g;
    g->world = ds_world_create(&desc);
    add_jelly(g);
    add_curtain(g);
    add_rope(g);
    for (int b = 0; b < BODIES; b++) add_contacts(g, b);
    for (int b = 0; b < BODIES; b++)
        for (int k = 0; k < 2; k++) {
            g->centre[b][k] = ds_world_param(g->world, g->hands[b], NAMES[0][k]);
            g->velocity[b][k] = ds_world_param(g->world, g->hands[b], NAMES[1][k]);
        }
    if (ds_world_error(g->world)->code) fprintf(stderr, "%s\n", ds_world_error(g->world)->text);
    return !ds_world_error(g->world)->code;
}

static void end(game *g)
{
    ds_world_destroy(g->world);
    ds_mesh_list_destroy(&g->skin);
    ds_mesh_destroy(&g->jelly);
    ds_mesh_destroy(&g->curtain);
}

/* the physics of a frame; how many steps it were, -1 after an error */
static int advance(game *g, double seconds)
{
    size_t n;
    if (ds_world_step(g->world, seconds, &n, &g->left)) {
        fprintf(stderr, "%s\n", ds_world_error(g->world)->text);
        return -1;
    }
    g->steps += n;
    return (int)n;
}

/* Point i as it is drawn: (1 - left) of a step back from where it is now. The step was x' = x + dt v', so
   that this lies on the straight line between the last two steps. */
static void between(const game *g, size_t i, ds_real x[3])
{
    const ds_real *const now = ds_world_positions(g->world) + 3 * i;
    const ds_real *const v = ds_world_velocities(g->world) + 3 * i;
    const ds_real back = g->steps ? (ds_real)((1 - g->left) * DT) : 0;
    for (int k = 0; k < 3; k++) x[k] = now[k] - back * v[k];
}

/* ---- drawing: from the front, a little from the left and above; what is far away first ---- */

typedef struct item { double near; ds_real p[3][2]; double width; int corners; uint32_t colour; } item;
enum { MOST_ITEMS = 600 };
typedef struct picture { item items[MOST_ITEMS]; size_t n; } picture;

static int nearer(const void *a, const void *b)
{
    const double p = ((const item *)a)->near, q = ((const item *)b)->near;
    return (p > q) - (p < q);
}

/* corners 1: a ball, width its radius (m); 2: a line, width in pixels; 3: a triangle */
static void add_item(picture *all, ds_real x[3][3], int corners, double width, uint32_t colour)
{
    item *const it = all->items + all->n;
    if (all->n == MOST_ITEMS) return;
    all->n++;
    it->near = 0;
    it->corners = corners;
    it->width = width;
    it->colour = colour;
    for (int i = 0; i < corners; i++) {
        it->p[i][0] = x[i][0] + (ds_real)0.35 * x[i][2];
        it->p[i][1] = x[i][1] - (ds_real)0.25 * x[i][2];
        it->near += ((double)x[i][2] - 0.35 * (double)x[i][0] + 0.25 * (double)x[i][1]) / corners;
    }
}

/* triangles of a body, lit from the upper left; those seen from behind in their other colour */
static void add_triangles(const game *g, picture *all, int body, const int32_t *t, size_t n, uint32_t front,
                          uint32_t behind)
{
    const size_t first = ds_world_points(g->world, g->bodies[body]).first;
    for (size_t i = 0; i < n; i++) {
        ds_real x[3][3];
        for (int k = 0; k < 3; k++) between(g, first + (size_t)t[3 * i + (size_t)k], x[k]);
        const ds_v3 a = ds_v3_make(x[1][0] - x[0][0], x[1][1] - x[0][1], x[1][2] - x[0][2]);
        const ds_v3 b = ds_v3_make(x[2][0] - x[0][0], x[2][1] - x[0][1], x[2][2] - x[0][2]);
        ds_v3 normal = ds_v3_cross(a, b);
        const int seen = (double)normal.z - 0.35 * (double)normal.x + 0.25 * (double)normal.y > 0;
        normal = ds_v3_scale(normal, (seen ? 1 : -1) / (ds_v3_norm(normal) + (ds_real)1e-12));
        const double light = 0.5 - 0.3 * (double)normal.x + 0.45 * (double)normal.y + 0.25 * (double)normal.z;
        add_item(all, x, 3, 0, show_mix(show_mix(seen ? front : behind, SHOW_INK, 0.55),
                                        show_mix(seen ? front : behind, SHOW_WHITE, 0.35), light));
    }
}

static void draw(const game *g, show_canvas *c)
{
    static picture all;
    const size_t rope = ds_world_points(g->world, g->bodies[ROPE]).first;
    const double hand_back = g->steps ? 1 - g->left : 0;
    ds_real x[3][3] = { { 0 } };
    all.n = 0;
    add_triangles(g, &all, JELLY, g->skin.points, g->skin.n, SHOW_GREEN, SHOW_GREEN);
    add_triangles(g, &all, CURTAIN, g->curtain.triangles, g->curtain.n_triangles, SHOW_ORANGE, SHOW_RED);
    for (size_t i = 0; i < LINKS; i++) {
        between(g, rope + i, x[0]);
        between(g, rope + i + 1, x[1]);
        add_item(&all, x, 2, 4, SHOW_INK);
    }
    between(g, rope + LINKS, x[0]);
    add_item(&all, x, 1, BALL_RADIUS, SHOW_BLUE);
    for (int k = 0; k < 2; k++) {
        const double v = (double)ds_world_controls(g->world)[g->velocity[0][k].first];
        x[0][k] = g->hand[k] - (ds_real)(hand_back * DT * v);
    }
    x[0][2] = 0;
    add_item(&all, x, 1, HAND_RADIUS, SHOW_PINK);
    qsort(all.items, all.n, sizeof *all.items, nearer);
    show_clear(c, 0xF4F6F8u);
    show_box(c, -2, -0.3, 2, 0.16, SHOW_PALE);
    for (size_t i = 0; i < all.n; i++) {
        const item *const it = all.items + i;
        if (it->corners == 3) show_triangle(c, it->p[0], it->p[1], it->p[2], it->colour);
        else if (it->corners == 2) show_line(c, it->p[0], it->p[1], it->width, it->colour);
        for (int k = 0; it->corners == 1 && k < 12; k++) {
            const double part = 1 - k / 12.0;
            const ds_real lit[2] = { it->p[0][0] - (ds_real)(0.35 * it->width * (1 - part)),
                                     it->p[0][1] + (ds_real)(0.35 * it->width * (1 - part)) };
            const uint32_t shade = show_mix(it->colour, SHOW_INK, 0.4);
            show_disc(c, lit, it->width * part, show_mix(shade, SHOW_WHITE, k / 18.0));
        }
    }
}

/* ---- the window, where there is one ---- */

#ifdef GAME_SDL
typedef struct window {
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    Uint64 time;
} window;

static int window_begin(window *w, const show_canvas *c)
{
    memset(w, 0, sizeof *w);
    if (SDL_Init(SDL_INIT_VIDEO) || !strcmp(SDL_GetCurrentVideoDriver(), "offscreen")) return 0;
    w->window = SDL_CreateWindow("game_loop", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, c->width,
                                 c->height, 0);
    w->renderer = w->window ? SDL_CreateRenderer(w->window, -1, SDL_RENDERER_PRESENTVSYNC) : NULL;
    if (w->renderer)
        w->texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB24, SDL_TEXTUREACCESS_STREAMING,
                                       c->width, c->height);
    w->time = SDL_GetPerformanceCounter();
    return w->texture != NULL;
}

/* shows the picture, takes the mouse; the time since the last frame, -1: closed */
static double window_frame(window *w, const show_canvas *c, ds_real aim[2])
{
    SDL_Event event;
    int column, row;
    double time = 0;
    SDL_UpdateTexture(w->texture, NULL, c->rgb, 3 * c->width);
    SDL_RenderCopy(w->renderer, w->texture, NULL, NULL);
    SDL_RenderPresent(w->renderer);
    while (SDL_PollEvent(&event))
        if (event.type == SDL_QUIT) time = -1;
    SDL_GetMouseState(&column, &row);
    aim[0] = (ds_real)(c->x_min + column / c->scale);
    aim[1] = (ds_real)(c->y_max - row / c->scale);
    const Uint64 now = SDL_GetPerformanceCounter();
    if (time >= 0) time = (double)(now - w->time) / (double)SDL_GetPerformanceFrequency();
    w->time = now;
    return time;
}

static void window_end(window *w)
{
    if (w->texture) SDL_DestroyTexture(w->texture);
    if (w->renderer) SDL_DestroyRenderer(w->renderer);
    if (w->window) SDL_DestroyWindow(w->window);
    SDL_Quit();
}

/* plays until the window is closed; 0: there is no window, or an error */
static int play(game *g, show_canvas *c)
{
    window w;
    const int good = window_begin(&w, c);
    double time = 0;
    while (good && time >= 0 && advance(g, time) >= 0) {
        draw(g, c);
        time = window_frame(&w, c, g->aim);
    }
    window_end(&w);
    return good;
}
#endif

/* ---- the script ---- */

/* a number from 0 to 1 that is the same every time */
static double noise(unsigned i)
{
    const unsigned h = (i + 1) * 2654435761u;
    return (double)(h >> 8 & 0xFFFFu) / 65535;
}

/* the time of frame i: 0.5 to 1.5 of what it should be, one that took too long, and one that took none */
static double frame_time(int i)
{
    if (i == 20) return HITCH;
    return i == 21 ? 0 : FRAME * (0.5 + noise((unsigned)i));
}

/* where the player points in frame i: pushes the jelly, bats the ball, goes through the curtain */
static void scripted_aim(int i, ds_real aim[2])
{
    /* until frame, x, y */
    static const double WAY[][3] = { { 50, -1.4, 0.25 }, { 110, -0.75, 0.25 }, { 150, -1.3, 0.5 },
                                     { 230, 0.35, 0.8 }, { 330, 1.35, 0.9 }, { 370, 0.3, 1.3 } };
    size_t k = 0;
    while (k + 1 < sizeof WAY / sizeof *WAY && i >= WAY[k][0]) k++;
    aim[0] = (ds_real)WAY[k][1];
    aim[1] = (ds_real)WAY[k][2];
}

/* what the frames of the script have seen */
typedef struct seen {
    int frames;
    size_t steps[MOST_FRAMES]; /* after each frame */
    double left[MOST_FRAMES];
    ds_real ball[MOST_FRAMES][2]; /* as drawn */
    int hitch_steps;
    long first, later; /* allocations of the first frame and all others */
    double slowest, mean; /* s of physics */
} seen;

static int play_script(show *s, game *g, show_canvas *c, seen *f)
{
    const size_t ball = ds_world_points(g->world, g->bodies[BALL]).first;
    const int pictures = s->quick ? 0 : 4;
    show_film film;
    memset(&film, 0, sizeof film);
    f->frames = s->quick ? 100 : 420;
    if (pictures) film = show_film_begin(s, "game");
    for (int i = 0; i < f->frames; i++) {
        const long before = g->allocations;
        const clock_t start = clock();
        scripted_aim(i, g->aim);
        const int n = advance(g, frame_time(i));
        const double time = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (n < 0) return 0;
        if (i == 0) f->first = g->allocations - before;
        else f->later += g->allocations - before;
        if (n > f->hitch_steps) f->hitch_steps = n;
        f->slowest = fmax(f->slowest, time);
        f->mean += time / f->frames;
        ds_real x[3];
        between(g, ball, x);
        f->steps[i] = g->steps;
        f->left[i] = g->left;
        f->ball[i][0] = x[0], f->ball[i][1] = x[1];
        if (pictures) draw(g, c);
        if (pictures) show_film_frame(&film, c);
        for (int k = 0; k < pictures; k++) {
            static const int AT[4] = { 85, 190, 232, 320 };
            if (i == AT[k]) show_canvas_save(c, s, "game_%d.png", k + 1);
        }
        show_progress(s, i + 1, f->frames, "%d steps", (int)g->steps);
    }
    if (film.file) show_film_end(&film, 60);
    return 1;
}

/* The same steps with other frame times, one at most in each; where the ball is after each step goes into the
   record. 1 if all ends with the same bits. */
static int play_again(const game *first, input_log *record)
{
    game again;
    int good = begin(&again, record, NULL), same = 0;
    const size_t n = first->steps, ball = good ? ds_world_points(again.world, again.bodies[BALL]).first : 0;
    for (unsigned i = 0; good && again.steps < n; i++) {
        memcpy(record->ball[again.steps], ds_world_positions(again.world) + 3 * ball, sizeof *record->ball);
        good = advance(&again, again.steps + 1 < n ? DT * (0.1 + 0.8 * noise(i)) : DT) >= 0;
    }
    if (good) {
        const size_t bytes = ds_world_stepper(again.world)->n_state * sizeof(ds_real);
        memcpy(record->ball[n], ds_world_positions(again.world) + 3 * ball, sizeof *record->ball);
        same = again.steps == n &&
               !memcmp(ds_world_positions(again.world), ds_world_positions(first->world), bytes);
    }
    end(&again);
    return same;
}

/* how far what was drawn is from the line between the last two steps, at most (m) */
static double drawn_off(const seen *f, const input_log *record)
{
    double worst = 0;
    for (int i = 0; i < f->frames; i++)
        for (int k = 0; k < 2 && f->steps[i]; k++) {
            const double last = (double)record->ball[f->steps[i] - 1][k];
            const double now = (double)record->ball[f->steps[i]][k];
            worst = fmax(worst, fabs(last + f->left[i] * (now - last) - (double)f->ball[i][k]));
        }
    return worst;
}

int main(int argc, char **argv)
{
    int scripted = 0, played = 0;
    const show_flag flags[] = { { "--scripted", SHOW_SWITCH, &scripted, "no window" } };
    show s = show_start(argc, argv, "a world in the loop of a game", flags, 1);
    show_canvas *c = show_canvas_create(900, -1.6, 1.6, -0.2, 1.8);
    static input_log record;
    static seen f;
    game g;
    if (!c || !begin(&g, NULL, &record)) return 1;
#ifdef GAME_SDL
    played = !s.quick && !scripted && play(&g, c);
#endif
    if (!played) {
        if (!play_script(&s, &g, c, &f)) return 1;
        printf("physics of a frame: %.2f ms of %.2f in the mean, %.2f in the hitch\n", 1e3 * f.mean,
               1e3 * FRAME, 1e3 * f.slowest);
        const int same = play_again(&g, &record);
        const ds_points jelly = ds_world_points(g.world, g.bodies[JELLY]);
        double middle = 0, lowest = 1e9;
        for (size_t i = jelly.first; i < jelly.first + jelly.n; i++) {
            const ds_real *const x = ds_world_positions(g.world) + 3 * i;
            middle += (double)x[0] / (double)jelly.n;
            lowest = fmin(lowest, (double)x[1]);
        }
        show_result(&s, "first_frame_allocations", (double)f.first);
        show_result(&s, "later_allocations", (double)f.later);
        show_result(&s, "hitch_steps", f.hitch_steps);
        show_result(&s, "steps", (double)g.steps);
        show_result(&s, "replay_same", same);
        show_result(&s, "drawn_off", drawn_off(&f, &record));
        show_result(&s, "jelly_x", middle);
        show_result(&s, "jelly_lowest", lowest);
    }
    end(&g);
    show_canvas_destroy(c);
    return show_end(&s);
}
