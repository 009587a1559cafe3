//! A PostgreSQL server of one's own: a data folder in a temporary folder, a free port, stopped with its owner.
