/* peer_adolc.cpp - ADOL-C: operator overloading onto a trace that its drivers read. */

#include "peers.hpp"

#include <adolc/adolc.h>

/* entries of the buffers, beyond which it writes files */
template <int W> static unsigned buffer()
{
    return W == WL_A ? 1 << 22 : W == WL_B ? 1 << 20 : 1 << 16;
}

template <int W> static double trace(workloads *w, short tag, int keep)
{
    const double *in = workloads_inputs(w, W);
    std::vector<adouble> x(wl_table[W].inputs);
    double loss;
    trace_on(tag, keep, buffer<W>(), buffer<W>(), buffer<W>(), buffer<W>());
    for (size_t i = 0; i < x.size(); i++) x[i] <<= in[i];
    adouble y = loss_of(*w, W, x.data());
    y >>= loss;
    trace_off();
    return loss;
}

template <int W> static double record(workloads *w, double *g)
{
    const double loss = trace<W>(w, W, 1);
    reverse(W, 1, wl_table[W].inputs, 0, 1.0, g);
    return loss;
}

template <int W> static double replay(workloads *w, double *g)
{
    static const short tag = WL_COUNT + W;
    static double loss = trace<W>(w, tag, 0);
    double one = 1;
    zos_forward(tag, 1, wl_table[W].inputs, 1, workloads_inputs(w, W), &loss);
    fos_reverse(tag, 1, wl_table[W].inputs, &one, g);
    return loss;
}

static double replay_hessian(workloads *w, double *H)
{
    static const short tag = WL_COUNT + WL_D;
    static const double loss = trace<WL_D>(w, tag, 0);
    double *rows[D_INPUTS];
    for (int i = 0; i < D_INPUTS; i++) rows[i] = H + D_INPUTS * i;
    hessian(tag, D_INPUTS, w->d.in, rows);
    for (int i = 0; i < D_INPUTS; i++)
        for (int j = 0; j < i; j++) H[D_INPUTS * j + i] = H[D_INPUTS * i + j];
    return loss;
}

static double replay_hessian_vector(workloads *w, double *Hv)
{
    static const short tag = WL_COUNT + WL_DV;
    static const double loss = trace<WL_DV>(w, tag, 0);
    hess_vec(tag, D_INPUTS, w->d.in, w->d.direction, Hv);
    return loss;
}

/* a sweep clears as many places as numbers were ever alive before its trace: the short ones first */
const peer adolc_peers[] = {
    { WL_D,  "ADOL-C replay", 1, replay_hessian },
    { WL_DV, "ADOL-C replay", 1, replay_hessian_vector },
    { WL_C1, "ADOL-C", 0, record<WL_C1> },
    { WL_C2, "ADOL-C", 0, record<WL_C2> },
    { WL_B,  "ADOL-C", 0, record<WL_B> },
    { WL_B,  "ADOL-C replay", 1, replay<WL_B> },
    { WL_A,  "ADOL-C", 0, record<WL_A> },
    {}
};
