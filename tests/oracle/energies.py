#!/usr/bin/env python3
"""energies.py TETS SPRINGS >energies.h - reference energies as a C header.

TETS and SPRINGS are JSON: energies of one element with gradient, Hessian and mixed derivatives, in double
precision by automatic differentiation of jax 0.10.2 (plain formulas of F = Ds inv(Dm), no code of diffsim.h).
Only what belongs to points 1, 2, 3 of a tetrahedron is kept, the rest follows: all sums over points are 0.
"""
import json
import sys

HEAD = '''/* energies.h - energies of one tetrahedron and of one spring, with gradients, Hessians and mixed derivatives:
   jax 0.10.2 in double precision, from plain formulas of F = Ds inv(Dm), by automatic differentiation. Made
   by energies.py. Of points 1, 2, 3: gradient [9], upper half of the Hessian [45], derivatives of the
   gradient by mu and la [9] and by the rest positions [9][9].

       stable_neo_hookean_lame    m/2 (I - 3 - log((I + 1)/4)) + l/2 (J - 1)^2 - 3/4 m (J - 1),
                                  m = 4/3 mu, l = la + 5/6 mu
       stable_neo_hookean_raw     mu/2 (I - 3) + la/2 (J - a)^2 - mu/2 log(I + 1), a = 1 + 3/4 mu/la
       stable_neo_hookean_nolog   mu/2 (I - 3) - mu (J - 1) + la/2 (J - 1)^2
       neo_hookean_log            mu/2 (I - 3) - mu log J + la/2 (log J)^2
       neo_hookean_Jm1            mu/2 (I - 3) - mu log J + la/2 (J - 1)^2
       stvk                       mu E:E + la/2 (tr E)^2, E = (F'F - 1)/2
       linear                     mu e:e + la/2 (tr e)^2, e = sym F - 1
       arap                       mu |F - R|^2
       corotated                  mu |F - R|^2 + la/2 (tr(R'F - 1))^2
       fixed_corotated            mu |F - R|^2 + la/2 (J - 1)^2
       mooney_rivlin_iso          mu/4 (J^(-2/3) I1 - 3 + J^(-4/3) I2 - 3) + la/2 (J - 1)^2 */

#ifndef ORACLE_ENERGIES_H
#define ORACLE_ENERGIES_H
'''
TET = '''
typedef struct oracle_tet {
    const char *material, *config;
    double X[12], x[12], mu, la, energy, gradient[9], hessian[45], by_mu[9], by_la[9], by_rest[81];
} oracle_tet;
static const oracle_tet ORACLE_TETS[] = {'''
SPRING = '''
typedef struct oracle_spring {
    double x[6], stiffness, rest_length, energy, gradient[6], hessian[36], by_rest_length[6];
} oracle_spring;
static const oracle_spring ORACLE_SPRINGS[] = {'''


def flat(value):
    if isinstance(value, list):
        return [number for part in value for number in flat(part)]
    return [value]


def put(parts):
    """initialisers, wrapped"""
    line = '    {'
    for part in parts:
        if isinstance(part, str):
            words = ['"%s",' % part]
        elif isinstance(part, list):
            words = ['%r,' % (number or 0.0) for number in part]
            words[0], words[-1] = '{ ' + words[0], words[-1][:-1] + ' },'
        else:
            words = ['%r,' % part]
        for word in words:
            if len(line) + len(word) > 106:
                print(line)
                line = '     '
            line += ' ' + word
    print(line[:-1] + ' },')


def main():
    with open(sys.argv[1], encoding='ascii') as tets, open(sys.argv[2], encoding='ascii') as springs:
        cases = json.load(tets)['cases']
        springs = json.load(springs)['spring']
    print(HEAD + TET)
    for case in cases:
        put([case['material'], case['config'], flat(case['X']), flat(case['x']), case['mu'], case['lam'],
             case['energy'], case['grad12'][3:], flat([case['hess12'][i][i:] for i in range(3, 12)]),
             case['dgrad_dmu'][3:], case['dgrad_dlam'][3:],
             flat([case['dgrad_drestX'][i][3:] for i in range(3, 12)])])
    print('};\n' + SPRING)
    for case in springs:
        put([flat(case['x']), case['k'], case['l0'], case['energy'], case['grad6'], flat(case['hess6']),
             case['dgrad_dl0']])
    print('};\n\n#endif')


main()
