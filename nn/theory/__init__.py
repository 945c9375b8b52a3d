"""What theory predicts for nets at their initialisation, for any activation.

gain                           the scale of weights that keeps x, its variance or the gradient
predict_profile                a whole net, layer by layer
variance_map, q_star, xi_q     the variance of s in deep nets, and how soon it settles
chi_1, xi_gradient             what a layer does to the gradient
correlation_map, c_star, xi_c  two inputs, and how soon they are alike or unlike
critical_point, critical_line  where gradients neither vanish nor explode
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
