"""Does the work: claims steps from the database, runs them, and writes down what came of it.

One file per step of a job in `steps/`, the lease and the supervision of a step beside it, the
sweeper that repairs what was left behind, and in `layouts/` the formats in which datasets come
and go. It stands on core and on the engine; it knows no HTTP. torch is imported only in the
process of a step that needs it (`worker.attempt`), never in the one that supervises.
"""
