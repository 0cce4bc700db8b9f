// The control API: tests and demonstrations inject faults, change the cluster and read counters.
// README.md in this directory documents it.
#pragma once

struct event_base;
struct sim_cluster;
struct sim_kube;
struct sim_server;

struct sim_control;

// Listens on a port of its own on 127.0.0.1. Borrows all three. Null, with errno.
[[nodiscard]] struct sim_control *
sim_control_new(struct event_base *base, struct sim_cluster *cluster, struct sim_kube *kube);
void sim_control_free(struct sim_control *control);
[[nodiscard]] const struct sim_server *sim_control_server(const struct sim_control *control);
