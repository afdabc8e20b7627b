"""Rows of a global batch that belong to one replica of a distribution strategy."""

from __future__ import annotations

import tensorflow as tf


def replica_rows(batch: int | tf.Tensor) -> tuple[tf.Tensor, slice]:
    """Return the rows of the global batch, and the slice of them that is this replica's.

    Random numbers that are drawn for the whole global batch from (seed, step), and of which each replica takes its
    slice, are a pure function of (seed, step, row): sharding, resuming and repeating give a note the same numbers.
    `MirroredStrategy`'s replicas would all draw the same ones from a stateful generator.

    Args:
        batch: this replica's rows, the same for each replica.

    Returns:
        (int32 [], the slice).
    """
    replica = tf.distribute.get_replica_context()
    first = batch * tf.cast(replica.replica_id_in_sync_group, tf.int32)
    return batch * replica.num_replicas_in_sync, slice(first, first + batch)
