"""Mean-field theory of nets at their initialisation, for any activation.

gain                           the scale of weights that keeps E[x²], Var[x] or the gradient
predict_profile                a whole net, layer by layer
variance_map, q_star, xi_q     the variance of s in deep nets, its fixed point and depth scale
chi_1, xi_gradient             the factor of a layer on the gradient, and its depth scale
correlation_map, c_star, xi_c  the correlation of two inputs, its fixed point and depth scale
critical_point, critical_line  the σ_w² for which gradients neither vanish nor explode
"""

from nn.theory.correlations import c_star, correlation_map, relu_correlation_map, xi_c
from nn.theory.criticality import CriticalPoint, critical_line, critical_point
from nn.theory.gains import GainMode, gain
from nn.theory.profiles import Profile, predict_profile
from nn.theory.variances import chi_1, q_star, variance_map, variance_slope, xi_gradient, xi_q

__all__ = [
    "CriticalPoint",
    "GainMode",
    "Profile",
    "c_star",
    "chi_1",
    "correlation_map",
    "critical_line",
    "critical_point",
    "gain",
    "predict_profile",
    "q_star",
    "relu_correlation_map",
    "variance_map",
    "variance_slope",
    "xi_c",
    "xi_gradient",
    "xi_q",
]
