"""scikit-learn's exact t-SNE of some of the digits that it ships: affinities, divergence, gradient; and its PCA."""
import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold._t_sne import _joint_probabilities, _kl_divergence

from golden.common import single


def make_digits(golden):
    count, perplexity = 300, 30.0
    digits = load_digits()
    chosen = np.sort(golden.random().choice(len(digits.data), size=count, replace=False))
    x = digits.data[chosen]
    model = TSNE(method="exact", init="pca", perplexity=perplexity, random_state=0)
    y = single(model.fit_transform(x))
    p = _joint_probabilities(squareform(pdist(x, "sqeuclidean")), perplexity, 0)
    kl, gradient = _kl_divergence(y.astype(np.float64).ravel(), p, 1, count, 2)
    pca = PCA(n_components=3, svd_solver="full").fit(x)
    golden.parameter(perplexity=perplexity, kl=repr(float(model.kl_divergence_)), iterations=model.n_iter_)
    golden.given("x", x.astype(np.uint8))
    golden.given("labels", digits.target[chosen].astype(np.int32))
    golden.given("p", single(squareform(p)[:50]))  # rows enough to see every formula in, and small
    golden.given("y", y)
    golden.result("y_kl", kl)
    golden.result("y_gradient", gradient.reshape(count, 2))
    golden.result("components", pca.components_)
    golden.result("variances", pca.explained_variance_)


CASES = {"digits": make_digits}
