"""Projections of latent vectors: PCA against scikit-learn's, t-SNE of few, equal and clustered vectors."""

import numpy as np
import pytest

from nsynth_vae.latent import projection


def test_pca_is_that_of_the_library():
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
