"""Projections of latent vectors: both against scikit-learn's, and t-SNE of few, equal and clustered vectors."""

import numpy as np
import pytest

from nsynth_vae.latent import projection

pytestmark = pytest.mark.player


def test_pca_is_that_of_the_library():
    pytest.importorskip("sklearn")
    from sklearn.decomposition import PCA

    z = np.random.default_rng(0).normal(size=[50, 6]) * [1, 5, 2, 1, 1, 3] + 7.0
    positions, shares = projection.pca(z)
    library = PCA(2).fit(z)
    expected = library.transform(z)
    signs = np.sign(np.sum(positions * expected, axis=0))
    np.testing.assert_allclose(positions, signs * expected, atol=1e-9)
    np.testing.assert_allclose(shares, library.explained_variance_ratio_, atol=1e-12)
    # The sign does not depend on the order, nor on the library that decomposes.
    np.testing.assert_allclose(projection.pca(z[::-1])[0][::-1], positions, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 6), (2, 6), (3, 6), (5, 1)])
def test_few_points_have_places(shape):
    z = np.random.default_rng(1).normal(size=shape)
    for positions in (projection.pca(z)[0], projection.tsne(z, 0)):
        assert positions.shape == (shape[0], 2)
        assert np.isfinite(positions).all()
    if shape == (2, 6):
        # Two z are as far apart as they were, on one line.
        distance = np.linalg.norm(z[0] - z[1])
        np.testing.assert_allclose(np.abs(projection.tsne(z, 0)), [[distance / 2, 0]] * 2, atol=1e-12)


def test_points_all_at_one_place_stay_there():
    z = np.full([9, 6], 3.0, np.float32)
    np.testing.assert_array_equal(projection.tsne(z, 0), np.zeros([9, 2]))
    np.testing.assert_array_equal(projection.pca(z)[1], [0, 0])


def test_tsne_keeps_neighbours_and_repeats_itself():
    """Five groups, far apart in directions that PCA's two cannot show all of."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(5), 20)
    z = (10 * np.eye(5)[group] + rng.normal(size=[100, 5])).astype(np.float32)
    positions = projection.tsne(z, 3)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1) + 1e9 * np.eye(100)
    np.testing.assert_array_equal(group[distances.argmin(axis=1)], group)
    np.testing.assert_array_equal(projection.tsne(z, 3), positions)


def divergence(z: np.ndarray, positions: np.ndarray, perplexity: float = 30.0) -> float:
    """Return what t-SNE minimises, the Kullback-Leibler divergence, of an embedding."""
    p = projection._affinities(z.astype(np.float64), perplexity).astype(np.float64)
    q = 1.0 / (1.0 + np.sum((positions[:, None] - positions) ** 2, axis=-1))
    np.fill_diagonal(q, 0.0)
    q /= q.sum()
    near = p > 0
    return float(np.sum(p[near] * np.log(p[near] / q[near])))


def test_affinities_have_the_perplexity():
    """Each vector's neighbourhood has as many neighbours as asked for, by its entropy, at any scale and with copies."""
    z = np.random.default_rng(3).normal(size=[150, 8])
    z[100:] = z[:50]
    for scale in (1e-3, 1.0, 1e4):
        affinity = projection._affinities(scale * z, 20.0)
        np.testing.assert_allclose(affinity, affinity.T)
        assert affinity.sum() == pytest.approx(1.0, abs=1e-4)
        np.testing.assert_allclose(affinity, projection._affinities(z, 20.0), rtol=0.02, atol=1e-6)
    p = affinity / affinity.sum(axis=1, keepdims=True)
    neighbours = np.exp(-np.sum(p * np.log(np.maximum(p, 1e-30)), axis=1))
    assert 20.0 < np.median(neighbours) < 35.0


def test_tsne_is_as_good_as_the_librarys():
    pytest.importorskip("sklearn")
    from sklearn.manifold import TSNE, trustworthiness

    rng = np.random.default_rng(4)
    centers = 2.0 * rng.normal(size=[15, 16])
    z = (centers[rng.integers(15, size=400)] + 0.7 * rng.normal(size=[400, 16])).astype(np.float32)
    found = projection.tsne(z, 0)
    start = projection.pca(z)[0]
    library = TSNE(perplexity=30.0, init=(start / np.std(start[:, 0]) * 1e-4).astype(np.float32)).fit_transform(z)
    assert divergence(z, found) < divergence(z, library) + 0.05
    assert trustworthiness(z, found) > trustworthiness(z, library) - 0.01
