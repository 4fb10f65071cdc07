"""The answers of scikit-learn's logistic regression and of a weighted k-NN vote."""
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from golden.common import single

GAP = 1e-5  # a neighbour or a vote that wins by less could turn with rounding


def clusters(rng, count, classes, width, spread):
    """Gaussian clouds that overlap: (features, labels)."""
    centres = rng.normal(size=(classes, width)) * spread
    labels = rng.integers(0, classes, size=count).astype(np.int32)
    return single(centres[labels] + rng.normal(size=(count, width))), labels


def make_probe(golden):
    """The optimum of Σ cross-entropy + ‖W‖²/(2C) over standardised features, the intercepts free, and its accuracy."""
    rng = golden.random()
    classes, width, train, c = 5, int(rng.integers(16, 24)), 600, float(single(rng.uniform(0.3, 3)))
    x, y = clusters(rng, train + 300, classes, width, 0.35)
    golden.parameter(classes=classes, width=width, C=repr(c), scaling="StandardScaler")
    golden.given("train", x[:train])
    golden.given("train_labels", y[:train])
    golden.given("test", x[train:])
    golden.given("test_labels", y[train:])
    x = x.astype(np.float64)
    scaler = StandardScaler().fit(x[:train])
    x = scaler.transform(x)
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100000).fit(x[:train], y[:train])
    chosen = model.predict_log_proba(x[:train])[np.arange(train), y[:train]]
    golden.result("loss", -chosen.sum() + (model.coef_ ** 2).sum() / (2 * c))
    golden.result("cross_entropy", -chosen.mean())
    golden.result("weight", model.coef_)
    golden.result("bias", model.intercept_)
    golden.result("train_accuracy", model.score(x[:train], y[:train]))
    golden.result("test_accuracy", model.score(x[train:], y[train:]))


def vote(similarity, weight, labels, classes, k):
    """(winning class, whether both the k-th neighbour and the winner are clear) for each row."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    sorted_similarity = np.take_along_axis(similarity, order[:, :k + 1], axis=1)
    votes = np.zeros((len(similarity), classes))
    for row, neighbours in enumerate(order[:, :k]):
        np.add.at(votes[row], labels[neighbours], weight(similarity[row, neighbours]))
    best = np.sort(votes, axis=1)
    clear = sorted_similarity[:, k - 1] - sorted_similarity[:, k] > GAP * np.abs(sorted_similarity[:, k])
    return votes.argmax(axis=1).astype(np.int32), clear & (best[:, -1] - best[:, -2] > GAP * best[:, -1])


def make_knn(golden):
    """Cosine: weight exp(s/T). Euclidean, as in solo-learn: weight 1/distance, no temperature."""
    rng = golden.random()
    classes, width, train, k, temperature = 6, int(rng.integers(10, 20)), 400, 20, 0.07
    x, y = clusters(rng, train + 150, classes, width, 0.3)
    bank, queries = x[:train].astype(np.float64), x[train:].astype(np.float64)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, bank)]
    gap = np.linalg.norm(queries[:, None] - bank[None], axis=2)
    cosine, clear = vote(unit[0] @ unit[1].T, lambda s: np.exp(s / temperature), y[:train], classes, k)
    euclidean, clear_too = vote(1 / gap, lambda s: s, y[:train], classes, k)
    keep = clear & clear_too
    golden.parameter(classes=classes, width=width, k=k, temperature=temperature, euclidean_weight="1/distance")
    golden.given("train", x[:train])
    golden.given("train_labels", y[:train])
    golden.given("test", x[train:][keep])
    golden.given("test_labels", y[train:][keep])
    golden.given("cosine", cosine[keep])
    golden.given("euclidean", euclidean[keep])


CASES = {"probe": make_probe, "knn": make_knn}
