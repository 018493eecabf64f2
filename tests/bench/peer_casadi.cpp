/* peer_casadi.cpp - CasADi: expressions, differentiated once into functions for its interpreter. */

#include "peers.hpp"

#include <casadi/casadi.hpp>

using casadi::SX;

/* a function with its inputs and its working memory */
struct compiled {
    casadi::Function f;
    std::vector<const double *> in;
    std::vector<double *> out;
    std::vector<casadi_int> integers;
    std::vector<double> reals;

    compiled(const std::vector<SX> &x, const std::vector<SX> &y)
        : f("f", x, y), in(f.sz_arg()), out(f.sz_res()), integers(f.sz_iw()), reals(f.sz_w()) {}

    double operator()(const double *x, const double *direction, double *outputs)
    {
        double loss;
        in[0] = x;
        if (f.n_in() == 2) in[1] = direction;
        out[0] = &loss;
        out[1] = outputs;
        f(in.data(), out.data(), integers.data(), reals.data());
        return loss;
    }
};

template <int W> static compiled make(const workloads *w)
{
    const SX x = SX::sym("x", wl_table[W].inputs), v = SX::sym("v", wl_table[W].inputs);
    const std::vector<casadi::SXElem> in = x.nonzeros();
    const SX loss = loss_of(*w, W, in.data()), g = gradient(loss, x);
    if (W == WL_DV) return compiled({ x, v }, { loss, jtimes(g, x, v) });
    return compiled({ x }, { loss, W == WL_D ? densify(jacobian(g, x)) : g });
}

template <int W> static double replay(workloads *w, double *out)
{
    static compiled once = make<W>(w);
    return once(workloads_inputs(w, W), w->d.direction, out);
}

const peer casadi_peers[] = {
    { WL_A,  "CasADi replay", 1, replay<WL_A> },
    { WL_B,  "CasADi replay", 1, replay<WL_B> },
    { WL_C1, "CasADi replay", 1, replay<WL_C1> },
    { WL_C2, "CasADi replay", 1, replay<WL_C2> },
    { WL_D,  "CasADi replay", 1, replay<WL_D> },
    { WL_DV, "CasADi replay", 1, replay<WL_DV> },
    {}
};
