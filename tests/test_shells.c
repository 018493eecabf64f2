/* Shells: membranes, hinges, quadratic bending and the air's forces against an oracle, closed forms, their
   invariances and degenerate triangles; every derivative against differences and the dot-product identity. */
#define DIFFSIM_IMPLEMENTATION
#include "../diffsim.h"

#include "tap.h"

#include "elements.h"
#include "oracle/shells.h"

static const double tight = sizeof(ds_real) == 4 ? 2e-4 : 1e-10;
static const double identical = sizeof(ds_real) == 4 ? 1e-4 : 1e-12;

static element make(ds_energy energy)
{
    element e;
    memset(&e, 0, sizeof e);
    e.type = ds_energy_get_type(energy);
    return e;
}
static void take(ds_real *to, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = (ds_real)from[i];
}
static ds_v3 at(const ds_real *x, size_t i) { return ds_v3_make(x[3 * i], x[3 * i + 1], x[3 * i + 2]); }

/* two triangles, bent, or what random numbers make of them */
static const double flat_pair[12] = { 0, 0, 0, 1, 0, 0, 0.4, 0.8, 0, 0.5, -0.9, 0 };
static void scatter(element *e, double rest, double now)
{
    for (size_t i = 0; i < 12; i++) {
        e->rest[i] = (ds_real)(flat_pair[i] + element_random(-rest, rest));
        e->x[i] = (ds_real)((double)e->rest[i] + element_random(-now, now));
        e->v[i] = (ds_real)element_random(-1, 1);
    }
}

/* parameters with which all types have something to do */
static void choose_parameters(element *e)
{
    static const double sheet[4] = { 1000, 0.3, 0.01, 200 }, hinge[3] = { 0.02, 0.1, 0.005 };
    static const double air[6] = { 0.6, 0.9, 0.05, 1.5, -0.3, 0.7 };
    const size_t n = e->type->n_parameters;
    take(e->p, n == 4 ? sheet : n == 6 ? air : hinge, n);
}

enum { SHELLS = 7 };
static const ds_energy shells[SHELLS] = {
    DSIM_ENERGY_MEMBRANE_NEO_HOOKEAN, DSIM_ENERGY_MEMBRANE_STABLE, DSIM_ENERGY_MEMBRANE_STVK,
    DSIM_ENERGY_MEMBRANE_COROTATED, DSIM_ENERGY_HINGE, DSIM_ENERGY_QUADRATIC_BENDING, DSIM_ENERGY_AIR
};
static int has(const element *e, ds_energy_part part)
{
    return part == DSIM_ENERGY_PART_ENERGY ? e->type->energy != NULL
         : part == DSIM_ENERGY_PART_DISSIPATION ? e->type->dissipation != NULL
         : part == DSIM_ENERGY_PART_FORCE ? e->type->force != NULL : e->type->derive != NULL;
}

static void oracle_of_hinges(void)
{
    for (size_t i = 0; i < sizeof ORACLE_HINGES / sizeof *ORACLE_HINGES; i++) {
        const oracle_hinge *const o = ORACLE_HINGES + i;
        element e = make(DSIM_ENERGY_HINGE), bar = element_zero(&e, NULL);
        ds_real value[1], gradient[12], hessian[144], one[1] = { 1 };
        take(e.rest, o->X, 12);
        take(e.x, o->x, 12);
        e.p[0] = (ds_real)(2 * o->k);
        element_derive(&e);
        TAP_NEAR(e.c[0], o->rest_angle, tight, "hinge %s: rest angle", o->name);
        element_value(&e, DSIM_ENERGY_PART_ENERGY, value);
        TAP_NEAR(value[0], o->energy, tight, "energy");
        if (!element_gradient(&e, DSIM_ENERGY_PART_ENERGY, gradient, hessian)) continue;
        TAP_OK(apart(gradient, o->gradient, 12) < tight, "gradient");
        TAP_OK(apart(hessian, o->hessian, 144) < tight, "Hessian: %.2g", apart(hessian, o->hessian, 144));
        element_adjoint(&e, DSIM_ENERGY_PART_ENERGY, one, &bar);
        TAP_OK(apart(bar.x, o->gradient, 12) < tight, "adjoint");
        element_adjoint(&e, DSIM_ENERGY_PART_DERIVE, bar.c, &bar);
        TAP_OK(apart(bar.rest, o->gradient_rest, 12) < tight, "derivative by the rest shape");
    }
}

static void oracle_of_membranes(void)
{
    for (size_t i = 0; i < sizeof ORACLE_MEMBRANES / sizeof *ORACLE_MEMBRANES; i++) {
        const oracle_membrane *const o = ORACLE_MEMBRANES + i;
        const int is_stvk = !strcmp(o->name, "stvk");
        element e = make(is_stvk ? DSIM_ENERGY_MEMBRANE_STVK : DSIM_ENERGY_MEMBRANE_NEO_HOOKEAN);
        const double ratio = o->la / o->mu, poisson = ratio / (2 + ratio);
        ds_real value[1], gradient[9], hessian[81];
        take(e.rest, o->X, 9);
        take(e.x, o->x, 9);
        e.p[0] = (ds_real)(2 * o->mu * (1 + poisson));
        e.p[1] = (ds_real)poisson;
        e.p[2] = 1;
        element_derive(&e);
        element_value(&e, DSIM_ENERGY_PART_ENERGY, value);
        TAP_NEAR(value[0], o->energy, tight, "membrane %s: energy", o->name);
        if (!element_gradient(&e, DSIM_ENERGY_PART_ENERGY, gradient, hessian)) continue;
        TAP_OK(apart(gradient, o->gradient, 9) < tight, "gradient");
        TAP_OK(apart(hessian, o->hessian, 81) < tight, "Hessian: %.2g", apart(hessian, o->hessian, 81));
    }
}

/* values, gradients, what they depend on */
static void derivatives(void)
{
    for (int s = 0; s < SHELLS; s++)
        for (int part = 0; part < 4; part++) {
            element e = make(shells[s]);
            double first = 0;
            element_errors errors = { 0, 0 };
            if (!has(&e, (ds_energy_part)part)) continue;
            choose_parameters(&e);
            for (int k = 0; k < 5; k++) {
                const double h = 1e-3;
                element_errors now;
                scatter(&e, shells[s] == DSIM_ENERGY_QUADRATIC_BENDING ? 0.1 : 0.2, 0.3);
                element_derive(&e);
                if (part < 2) first = fmax(first, element_first(&e, (ds_energy_part)part, h));
                now = element_check(&e, (ds_energy_part)part, h / 4);
                errors.identity = fmax(errors.identity, now.identity);
                errors.difference = fmax(errors.difference, now.difference);
            }
            TAP_OK(first < 1e-7, "%s, part %d: gradient by differences, %.2g", e.type->name, part, first);
            TAP_OK(errors.difference < 1e-7, "its derivative by everything, %.2g", errors.difference);
            TAP_OK(errors.identity < identical, "adjoint = tangent transposed, %.2g", errors.identity);
        }
}

/* forces of a part in the order of points: -gradient, or the force itself */
static int forces(element *e, ds_energy_part part, ds_real *f)
{
    const size_t n = 3 * e->type->n_points;
    if (part == DSIM_ENERGY_PART_FORCE) return element_value(e, part, f);
    if (!element_gradient(e, part, f, NULL)) return 0;
    for (size_t i = 0; i < n; i++) f[i] = -f[i];
    return 1;
}

static void turn(element *e, ds_q4 q, ds_v3 shift)
{
    for (size_t i = 0; i < e->type->n_points; i++) {
        const ds_v3 x = ds_v3_add(ds_q4_rotate(q, at(e->x, i)), shift), v = ds_q4_rotate(q, at(e->v, i));
        e->x[3 * i] = x.x, e->x[3 * i + 1] = x.y, e->x[3 * i + 2] = x.z;
        e->v[3 * i] = v.x, e->v[3 * i + 1] = v.y, e->v[3 * i + 2] = v.z;
    }
}

/* forces and torques sum to zero; a turned and moved element has turned forces and the same energy */
static void rigid_motions(void)
{
    const ds_q4 q = ds_q4_from_axis_angle(ds_v3_make(1, -2, (ds_real)0.5), (ds_real)2.1);
    const double rounding = is_float ? 1e-4 : 1e-12;
    for (int s = 0; s < SHELLS; s++)
        for (int part = 0; part < 3; part++) {
            element e = make(shells[s]), turned;
            ds_real f[12], g[12], value[2];
            ds_v3 sum = ds_v3_make(0, 0, 0), torque = sum, wind;
            double most = 0, apart_most = 0;
            if (!has(&e, (ds_energy_part)part)) continue;
            choose_parameters(&e);
            scatter(&e, shells[s] == DSIM_ENERGY_QUADRATIC_BENDING ? 0 : 0.2, 0.3);
            element_derive(&e);
            turned = e;
            turn(&turned, q, ds_v3_make(2, 1, -1));
            if (s == SHELLS - 1) {
                wind = ds_q4_rotate(q, at(e.p, 1));
                turned.p[3] = wind.x, turned.p[4] = wind.y, turned.p[5] = wind.z;
            }
            if (!forces(&e, (ds_energy_part)part, f) || !forces(&turned, (ds_energy_part)part, g)) continue;
            for (size_t i = 0; i < e.type->n_points; i++) {
                const ds_v3 t = ds_v3_sub(ds_q4_rotate(q, at(f, i)), at(g, i));
                sum = ds_v3_add(sum, at(f, i));
                torque = ds_v3_add(torque, ds_v3_cross(at(e.x, i), at(f, i)));
                most = fmax(most, (double)ds_v3_norm(at(f, i)));
                apart_most = fmax(apart_most, (double)ds_v3_norm(t));
            }
            TAP_OK(most > 0 && apart_most < rounding * most, "%s, part %d: turns with its points, %.2g",
                   e.type->name, part, apart_most / most);
            if (part == DSIM_ENERGY_PART_FORCE) continue;
            TAP_OK((double)ds_v3_norm(sum) < rounding * most && (double)ds_v3_norm(torque) < rounding * most,
                   "no net force, no torque");
            element_value(&e, (ds_energy_part)part, value);
            element_value(&turned, (ds_energy_part)part, value + 1);
            TAP_NEAR(value[1], value[0], rounding, "the same energy");
        }
}

static void names(void)
{
    for (int s = 0; s < SHELLS; s++)
        TAP_OK(element_is_named(ds_energy_get_type(shells[s])), "%s: a name and a unit for each parameter",
               ds_energy_get_type(shells[s])->name);
}

/* no force at rest, whose Hessian is finite and has the rigid motions in its null space */
static void rest_states(void)
{
    for (int s = 0; s < SHELLS - 1; s++)
        for (int bent = 0; bent < 2; bent++) {
            element e = make(shells[s]);
            ds_real gradient[12], hessian[144], value[1];
            double most = 0, sum = 0;
            const size_t n = 3 * e.type->n_points;
            if (bent && shells[s] == DSIM_ENERGY_QUADRATIC_BENDING) continue;
            choose_parameters(&e);
            if (shells[s] == DSIM_ENERGY_HINGE) e.p[1] = 0;
            scatter(&e, bent ? 0.2 : 0, 0);
            element_derive(&e);
            element_value(&e, DSIM_ENERGY_PART_ENERGY, value);
            if (!element_gradient(&e, DSIM_ENERGY_PART_ENERGY, gradient, hessian)) continue;
            for (size_t i = 0; i < n * n; i++) most = fmax(most, fabs((double)hessian[i]));
            for (size_t i = 0; i < n; i++) {
                double moved = 0;
                for (size_t j = 0; j < n; j += 3) moved += (double)hessian[i * n + j];
                sum = fmax(sum, fabs(moved));
            }
            TAP_OK(all_finite(gradient, n) && all_finite(hessian, n * n) && most > 0, "%s at %s rest: finite",
                   e.type->name, bent ? "bent" : "flat");
            TAP_OK(fabs((double)value[0]) < most * (is_float ? 1e-6 : 1e-14), "no energy");
            TAP_OK(apart(gradient, (double[12]){ 0 }, n) < most * (is_float ? 1e-6 : 1e-14), "no force");
            TAP_OK(sum < most * (is_float ? 1e-5 : 1e-13), "the same wherever it is");
        }
}

/* all agree with plane stress: P = 2 mu strain + la tr(strain) I for small strains */
static void small_strains(void)
{
    const double h = is_float ? 1e-2 : 1e-4, mu = 1000 / 2.6, la = 300 / 0.91;
    for (int s = 0; s < 4; s++) {
        element e = make(shells[s]);
        const double strain[3] = { 0.7 * h, -0.4 * h, 0.5 * h }; /* xx, yy, xy */
        ds_real value[1];
        double want;
        choose_parameters(&e);
        take(e.rest, flat_pair, 9);
        for (size_t i = 0; i < 3; i++) {
            const double x = flat_pair[3 * i], y = flat_pair[3 * i + 1];
            e.x[3 * i] = (ds_real)(x + strain[0] * x + strain[2] * y);
            e.x[3 * i + 1] = (ds_real)(y + strain[2] * x + strain[1] * y);
        }
        element_derive(&e);
        TAP_NEAR(e.c[5], 0.4 * 0.01, tight, "%s: area times thickness", e.type->name);
        element_value(&e, DSIM_ENERGY_PART_ENERGY, value);
        want = mu * (strain[0] * strain[0] + strain[1] * strain[1] + 2 * strain[2] * strain[2]);
        want = 0.4 * 0.01 * (want + 0.5 * la * (strain[0] + strain[1]) * (strain[0] + strain[1]));
        TAP_NEAR(value[0], want, 10 * h, "plane stress");
    }
}

/* the logarithm's continuation: E, E' and E'' of a triangle squeezed evenly meet at J = 0.1 */
static void squeezed(void)
{
    element e = make(DSIM_ENERGY_MEMBRANE_NEO_HOOKEAN);
    ds_real gradient[2][9], hessian[2][81], value[2];
    choose_parameters(&e);
    take(e.rest, flat_pair, 9);
    element_derive(&e);
    for (int side = 0; side < 2; side++) {
        const double scale = 0.1 + (side ? 1 : -1) * (is_float ? 1e-5 : 1e-9);
        take(e.x, flat_pair, 9);
        for (size_t i = 0; i < 3; i++) e.x[3 * i] = (ds_real)(scale * flat_pair[3 * i]);
        element_value(&e, DSIM_ENERGY_PART_ENERGY, value + side);
        element_gradient(&e, DSIM_ENERGY_PART_ENERGY, gradient[side], hessian[side]);
    }
    {
        double g[9], h[81];
        for (size_t i = 0; i < 9; i++) g[i] = (double)gradient[1][i];
        for (size_t i = 0; i < 81; i++) h[i] = (double)hessian[1][i];
        TAP_NEAR(value[0], value[1], is_float ? 1e-3 : 1e-7, "logarithm and parabola meet: energy");
        TAP_OK(apart(gradient[0], g, 9) < (is_float ? 1e-3 : 1e-6), "gradient");
        TAP_OK(apart(hessian[0], h, 81) < (is_float ? 1e-2 : 1e-6), "Hessian");
    }
    for (size_t i = 0; i < 3; i++) e.x[3 * i] = (ds_real)(0.01 * flat_pair[3 * i]);
    element_gradient(&e, DSIM_ENERGY_PART_ENERGY, gradient[0], NULL);
    TAP_OK((double)gradient[0][3] < 0 && all_finite(gradient[0], 9), "squeezed to 1 %%, it pushes back");
}

/* zero areas and lengths, now and at rest: everything is finite */
static void degenerate(void)
{
    static const double now[4][12] = {
        { 0 },
        { 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0 },
        { 0, 0, 0, 0, 0, 0, 0.4, 0.8, 0, 0.5, -0.9, 0 },
        { 0, 0, 0, 1, 0, 0, 0.5, 0, 0, 0.5, -0.9, 0.2 },
    };
    for (int s = 0; s < SHELLS; s++) {
        int good = 1, at_rest = 1;
        for (int k = 0; k < 4; k++)
            for (int part = 0; part < 3; part++) {
                element e = make(shells[s]), bar = element_zero(&e, NULL);
                ds_real f[12], hessian[144], seed[12];
                const size_t n = 3 * e.type->n_points;
                if (!has(&e, (ds_energy_part)part)) continue;
                choose_parameters(&e);
                scatter(&e, 0, 0);
                for (int rest = 0; rest < 2; rest++) {
                    if (rest) take(e.rest, now[k], 12);
                    else take(e.x, now[k], 12);
                    if (rest) scatter(&e, 0, 0.1), take(e.rest, now[k], 12);
                    element_derive(&e);
                    for (size_t i = 0; i < 12; i++) seed[i] = 1;
                    if (part < 2) good &= element_gradient(&e, (ds_energy_part)part, f, hessian) &&
                                          all_finite(hessian, n * n);
                    else good &= element_value(&e, (ds_energy_part)part, f);
                    good &= all_finite(f, n) && element_adjoint(&e, (ds_energy_part)part, seed, &bar);
                    good &= all_finite(bar.x, n) && all_finite(bar.p, e.type->n_parameters);
                    if (e.type->n_constants)
                        at_rest &= element_adjoint(&e, DSIM_ENERGY_PART_DERIVE, bar.c, &bar) &&
                                   all_finite(bar.rest, n) && all_finite(e.c, e.type->n_constants);
                }
            }
        TAP_OK(good, "%s: finite without an area", ds_energy_get_type(shells[s])->name);
        TAP_OK(at_rest, "and derivatives by the rest shape");
    }
}

/* A strip of quads of width 1/10 and length 1 on a cylinder of radius r: the edges along it bend by the angle
   between their neighbours, diagonals not at all. Per area that is 3 k/2 / r^2: 3 is this mesh's number. */
static void cylinder(void)
{
    enum { QUADS = 8 };
    const double d = 0.1, r = 2, turned = 2 * asin(d / (2 * r));
    double bent = 0, diagonal = 0;
    for (int q = 0; q < 2 * QUADS; q++) {
        element e = make(DSIM_ENERGY_HINGE);
        ds_real value[1];
        const int places[2][4][2] = { { { 0, 0 }, { 0, 1 }, { -1, 1 }, { 1, 0 } },
                                      { { 0, 1 }, { 1, 0 }, { 1, 1 }, { 0, 0 } } };
        for (int k = 0; k < 4; k++) {
            const int *const place = places[q % 2][k];
            const double angle = turned * (q / 2 + place[0]);
            const double flat[3] = { d * (q / 2 + place[0]), place[1], 0 };
            const double round[3] = { r * sin(angle), place[1], r * cos(angle) };
            take(e.rest + 3 * k, flat, 3);
            take(e.x + 3 * k, round, 3);
        }
        e.p[0] = 3;
        element_derive(&e);
        element_value(&e, DSIM_ENERGY_PART_ENERGY, value);
        if (q % 2) diagonal += (double)value[0];
        else bent += (double)value[0];
    }
    TAP_NEAR(bent, 3 * (0.5 * 3 / (r * r)) * QUADS * d, is_float ? 1e-3 : turned * turned, "cylinder");
    TAP_OK(diagonal < 1e-6 * bent, "its flat quads have nothing");
}

/* a hinge that is flat at rest has the energy of quadratic bending for small angles */
static void bending_relations(void)
{
    element hinge = make(DSIM_ENERGY_HINGE), quadratic = make(DSIM_ENERGY_QUADRATIC_BENDING);
    const double angle = is_float ? 0.05 : 0.001;
    ds_real a[1], b[1];
    take(hinge.rest, flat_pair, 12);
    take(hinge.x, flat_pair, 12);
    hinge.x[10] = (ds_real)(-0.9 * cos(angle)), hinge.x[11] = (ds_real)(0.9 * sin(angle));
    hinge.p[0] = quadratic.p[0] = 3;
    memcpy(quadratic.rest, hinge.rest, sizeof hinge.rest);
    memcpy(quadratic.x, hinge.x, sizeof hinge.x);
    element_derive(&hinge);
    element_derive(&quadratic);
    element_value(&hinge, DSIM_ENERGY_PART_ENERGY, a);
    element_value(&quadratic, DSIM_ENERGY_PART_ENERGY, b);
    TAP_NEAR(a[0], 1.5 * (double)hinge.c[1] * angle * angle, is_float ? 1e-3 : 1e-9, "k/2 c angle^2");
    TAP_NEAR(b[0], a[0], angle, "quadratic bending = hinge for small angles");
}

/* stretching the edge of a fold changes the angle's energy only by the angle: its length is that at rest */
static void frozen_lengths(void)
{
    element e = make(DSIM_ENERGY_HINGE);
    ds_real a[1], b[1], da[1], db[1];
    take(e.rest, flat_pair, 12);
    take(e.x, flat_pair, 12);
    e.x[11] = (ds_real)0.4;
    e.p[0] = 3, e.p[2] = 2;
    for (size_t i = 0; i < 12; i++) e.v[i] = 0;
    e.v[11] = 1;
    element_derive(&e);
    element_value(&e, DSIM_ENERGY_PART_ENERGY, a);
    element_value(&e, DSIM_ENERGY_PART_DISSIPATION, da);
    e.x[3] = 5; /* the edge, along itself */
    element_value(&e, DSIM_ENERGY_PART_ENERGY, b);
    element_value(&e, DSIM_ENERGY_PART_DISSIPATION, db);
    TAP_NEAR(b[0], a[0], is_float ? 1e-5 : 1e-13, "a longer edge with the same angle has the same energy");
    TAP_NEAR(db[0], da[0], is_float ? 1e-5 : 1e-13, "and the same dissipation");
    {
        /* damping/2 e (d angle/dt)^2 with the rate by differences */
        const double h = 1e-6;
        element moved[2];
        double rate = 0;
        for (int k = 0; k < 2; k++) {
            moved[k] = e;
            memcpy(moved[k].rest, e.x, sizeof e.x);
            moved[k].rest[11] = (ds_real)((double)e.x[11] + (k ? h : -h));
            element_derive(moved + k);
            rate += (k ? 1 : -1) * (double)moved[k].c[0] / (2 * h);
        }
        if (is_float) rate = sqrt((double)db[0]);
        TAP_NEAR(db[0], rate * rate, 1e-7, "dissipation = damping/2 e rate^2");
    }
}

/* air: the same from either side, no power gained, none without wind; a third at each point */
static void air(void)
{
    element e = make(DSIM_ENERGY_AIR), other;
    double worst = 0, power = -1, uneven = 0;
    ds_real f[9], g[9];
    for (int k = 0; k < 50; k++) {
        choose_parameters(&e);
        scatter(&e, 0, 0.5);
        other = e;
        memcpy(other.x + 3, e.x + 6, 3 * sizeof *e.x);
        memcpy(other.x + 6, e.x + 3, 3 * sizeof *e.x);
        memcpy(other.v + 3, e.v + 6, 3 * sizeof *e.v);
        memcpy(other.v + 6, e.v + 3, 3 * sizeof *e.v);
        if (!element_value(&e, DSIM_ENERGY_PART_FORCE, f)) return;
        element_value(&other, DSIM_ENERGY_PART_FORCE, g);
        {
            const ds_v3 v = ds_v3_add(ds_v3_add(at(e.v, 0), at(e.v, 1)), at(e.v, 2));
            const ds_v3 u = ds_v3_sub(ds_v3_scale(v, (ds_real)(1 / 3.0)), at(e.p, 1));
            power = fmax(power, (double)ds_v3_dot(at(f, 0), u));
        }
        worst = fmax(worst, (double)ds_v3_norm(ds_v3_sub(at(f, 0), at(g, 0))));
        uneven = fmax(uneven, (double)ds_v3_norm(ds_v3_sub(at(f, 0), at(f, 2))));
    }
    TAP_OK(worst < (is_float ? 1e-6 : 1e-14), "air: either side is the same");
    TAP_OK(power < 0, "it takes power, at least %.2g W", -power);
    TAP_OK(uneven == 0, "the same force at each point");
    /* a square metre's half, flat against the wind: A (drag s(u) u + lift u snorm) */
    choose_parameters(&e);
    take(e.x, (const double[9]){ 0, 0, 0, 1, 0, 0, 0, 1, 0 }, 9);
    memset(e.v, 0, sizeof e.v);
    e.p[3] = e.p[4] = 0, e.p[5] = 4;
    element_value(&e, DSIM_ENERGY_PART_FORCE, f);
    TAP_NEAR(f[2], 0.5 * (0.6 + 0.9) * 4 * sqrt(16 + 0.0025) / 3, is_float ? 1e-6 : 1e-14, "wind lifts");
    TAP_OK(f[0] == 0 && f[1] == 0, "straight");
    e.p[5] = 0;
    element_value(&e, DSIM_ENERGY_PART_FORCE, f);
    TAP_OK(f[0] == 0 && f[1] == 0 && f[2] == 0, "no wind, no motion, no force");
}

int main(void)
{
    names();
    oracle_of_hinges();
    oracle_of_membranes();
    derivatives();
    rigid_motions();
    rest_states();
    small_strains();
    squeezed();
    degenerate();
    cylinder();
    bending_relations();
    frozen_lengths();
    air();
    element_forget();
    return tap_end();
}
