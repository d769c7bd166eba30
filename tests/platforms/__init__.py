"""Tests of the platform clients, against simulated servers on real sockets."""
