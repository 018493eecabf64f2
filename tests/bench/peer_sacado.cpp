/* peer_sacado.cpp - Sacado of Trilinos: Rad records for one sweep back, Rad2 for products with Hessians. */

#include "peers.hpp"

#include <Sacado_trad.hpp>
#include <Sacado_trad2.hpp>

typedef Sacado::Rad::ADvar<double> number;
typedef Sacado::Rad2::ADvar<double> number2;

template <int W> static double record(workloads *w, double *g)
{
    const double *in = workloads_inputs(w, W);
    const std::vector<number> x(in, in + wl_table[W].inputs);
    const number loss = loss_of(*w, W, x.data());
    number::Gradcomp();
    for (size_t i = 0; i < x.size(); i++) g[i] = x[i].adj();
    return loss.val();
}

/* out [n][12] = H times each of the n directions */
static double products(workloads *w, double *directions, int n, double *out)
{
    std::vector<number2> x(w->d.in, w->d.in + D_INPUTS);
    number2 *pointers[D_INPUTS];
    for (int i = 0; i < D_INPUTS; i++) pointers[i] = &x[i];
    const number2 loss = loss_of(*w, WL_D, x.data());
    number2::Gradcomp();
    for (int i = 0; i < n; i++)
        number2::Hvprod(D_INPUTS, pointers, directions + D_INPUTS * i, out + D_INPUTS * i);
    return loss.val();
}

static double hessian(workloads *w, double *H)
{
    double unit[D_HESSIAN] = { 0 };
    for (int i = 0; i < D_INPUTS; i++) unit[(D_INPUTS + 1) * i] = 1;
    return products(w, unit, D_INPUTS, H);
}

static double hessian_vector(workloads *w, double *Hv)
{
    return products(w, w->d.direction, 1, Hv);
}

const peer sacado_peers[] = {
    { WL_A,  "Sacado", 0, record<WL_A> },
    { WL_B,  "Sacado", 0, record<WL_B> },
    { WL_C1, "Sacado", 0, record<WL_C1> },
    { WL_C2, "Sacado", 0, record<WL_C2> },
    { WL_D,  "Sacado", 0, hessian },
    { WL_DV, "Sacado", 0, hessian_vector },
    {}
};
