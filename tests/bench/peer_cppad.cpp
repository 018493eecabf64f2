/* peer_cppad.cpp - CppAD: operator overloading onto an ADFun, which can be simplified and replayed. */

#include "peers.hpp"

#include <cppad/cppad.hpp>

typedef CppAD::AD<double> number;
typedef CppAD::ADFun<double> function;
typedef std::vector<double> doubles;

template <int W> static doubles inputs(workloads *w)
{
    const double *in = workloads_inputs(w, W);
    return doubles(in, in + wl_table[W].inputs);
}

template <int W> static std::vector<number> trace(workloads *w, std::vector<number> &x)
{
    const double *in = workloads_inputs(w, W);
    x.assign(in, in + wl_table[W].inputs);
    CppAD::Independent(x);
    return std::vector<number>(1, loss_of(*w, W, x.data()));
}

static void reverse(function &f, double *g)
{
    const doubles gradient = f.Reverse(1, doubles(1, 1.0));
    std::copy(gradient.begin(), gradient.end(), g);
}

template <int W> static double record(workloads *w, double *g)
{
    std::vector<number> x, y = trace<W>(w, x);
    function f(x, y);
    reverse(f, g);
    return Value(y[0]);
}

template <int W> struct recorded : function {
    explicit recorded(workloads *w)
    {
        std::vector<number> x, y = trace<W>(w, x);
        Dependent(x, y);
        optimize();
    }
};

template <int W> static double replay(workloads *w, double *g)
{
    static recorded<W> f(w);
    const double loss = f.Forward(0, inputs<W>(w))[0];
    reverse(f, g);
    return loss;
}

static double replay_hessian(workloads *w, double *H)
{
    static recorded<WL_D> f(w);
    const doubles hessian = f.Hessian(inputs<WL_D>(w), 0);
    std::copy(hessian.begin(), hessian.end(), H);
    return f.Forward(0, inputs<WL_D>(w))[0];
}

static double replay_hessian_vector(workloads *w, double *Hv)
{
    static recorded<WL_DV> f(w);
    const double loss = f.Forward(0, inputs<WL_DV>(w))[0];
    f.Forward(1, doubles(w->d.direction, w->d.direction + D_INPUTS));
    const doubles second = f.Reverse(2, doubles(1, 1.0)); /* gradient and Hv in turn */
    for (int i = 0; i < D_INPUTS; i++) Hv[i] = second[2 * i + 1];
    return loss;
}

const peer cppad_peers[] = {
    { WL_A,  "CppAD", 0, record<WL_A> },
    { WL_B,  "CppAD", 0, record<WL_B> },
    { WL_B,  "CppAD replay", 1, replay<WL_B> },
    { WL_C1, "CppAD", 0, record<WL_C1> },
    { WL_C2, "CppAD", 0, record<WL_C2> },
    { WL_D,  "CppAD replay", 1, replay_hessian },
    { WL_DV, "CppAD replay", 1, replay_hessian_vector },
    {}
};
