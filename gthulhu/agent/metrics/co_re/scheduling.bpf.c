/* SPDX-License-Identifier: GPL-2.0-only OR MIT
 *
 * Counts what the scheduler does to the processes of watched cgroups: time on a CPU, time waiting for one, switches,
 * migrations, and how long each wait was.
 *
 * The agent puts the cgroups that it watches into `cgroups`; nothing else is counted, so the maps stay as small as what
 * is watched. A cgroup is known by the inode of its directory in the cpu controller's hierarchy, of version 1 or 2.
 * Types are looked up in the running kernel's own type information (CO-RE): one object serves many kernels.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef _Bool bool;

/* What bpf_helpers.h expects to find. */
typedef u8 __u8;
typedef unsigned short __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_TASK_STORAGE = 29 };
enum { BPF_NOEXIST = 1, BPF_F_NO_PREALLOC = 1, BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node {
	u64 id;
};
struct cgroup {
	struct kernfs_node *kn;
};
struct cgroup_subsys_state {
	struct cgroup *cgroup;
};
struct task_group {
	struct cgroup_subsys_state css;
};
typedef struct {
	int counter;
} atomic_t;
struct signal_struct {
	atomic_t live;
};
struct task_struct {
	int pid;
	int tgid;
	struct task_group *sched_task_group;
	struct signal_struct *signal;
};
#pragma clang attribute pop

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SLOTS 24 /* the last holds waits of 2^23 us (8 s) and more */

struct counters {
	u64 run_ns;
	u64 wait_ns;
	u64 voluntary;
	u64 involuntary;
	u64 migrations;
};

struct cgroup_counters {
	struct counters sum;
	u64 waits[SLOTS];
};

struct moments {
	u64 queued_at;
	u64 running_since;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct cgroup_counters);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct counters);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct moments);
} tasks SEC(".maps");

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static const struct counters nothing;

static __always_inline struct cgroup_counters *watched(struct task_struct *p)
{
	u64 id = p->pid ? BPF_CORE_READ(p, sched_task_group, css.cgroup, kn, id) : 0;

	return id ? bpf_map_lookup_elem(&cgroups, &id) : 0;
}

static __always_inline struct moments *moments_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline struct counters *process_of(struct task_struct *p)
{
	u32 tgid = p->tgid;

	return bpf_map_lookup_elem(&processes, &tgid);
}

static __always_inline u32 slot_of(u64 us)
{
	u32 slot = 0;

	for (u32 step = 16; step; step >>= 1)
		if (us >> step) {
			us >>= step;
			slot += step;
		}
	return slot < SLOTS ? slot : SLOTS - 1;
}

static __always_inline void queued(struct task_struct *p)
{
	struct moments *at = watched(p) ? moments_of(p) : 0;

	/* One that was preempted on its way to sleep waits already when it is woken. */
	if (at && !at->queued_at)
		at->queued_at = bpf_ktime_get_ns();
}

static __always_inline void stopped(struct task_struct *p, bool runnable, u64 now)
{
	struct cgroup_counters *group = watched(p);
	struct moments *at = group ? moments_of(p) : 0;
	struct counters *process = at ? process_of(p) : 0;
	u64 ran;

	if (!at)
		return;
	ran = at->running_since ? now - at->running_since : 0;
	at->running_since = 0;
	at->queued_at = runnable ? now : 0;
	__sync_fetch_and_add(&group->sum.run_ns, ran);
	__sync_fetch_and_add(runnable ? &group->sum.involuntary : &group->sum.voluntary, 1);
	if (!process)
		return;
	__sync_fetch_and_add(&process->run_ns, ran);
	__sync_fetch_and_add(runnable ? &process->involuntary : &process->voluntary, 1);
}

static __always_inline void started(struct task_struct *p, u64 now)
{
	struct cgroup_counters *group = watched(p);
	struct moments *at = group ? moments_of(p) : 0;
	struct counters *process;
	u32 tgid = p->tgid, slot;
	u64 waited;

	if (!at)
		return;
	waited = at->queued_at ? now - at->queued_at : 0;
	at->queued_at = 0;
	at->running_since = now;
	__sync_fetch_and_add(&group->sum.wait_ns, waited);
	slot = slot_of(waited / 1000);
	if (slot < SLOTS)
		__sync_fetch_and_add(&group->waits[slot], 1);
	process = process_of(p);
	if (!process) {
		bpf_map_update_elem(&processes, &tgid, &nothing, BPF_NOEXIST);
		process = process_of(p);
	}
	if (process)
		__sync_fetch_and_add(&process->wait_ns, waited);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	u64 now = bpf_ktime_get_ns();

	stopped(prev, preempt || !prev_state, now);
	started(next, now);
	return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *p)
{
	queued(p);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *p)
{
	queued(p);
	return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migration, struct task_struct *p)
{
	struct cgroup_counters *group = watched(p);
	struct counters *process = group ? process_of(p) : 0;

	if (group)
		__sync_fetch_and_add(&group->sum.migrations, 1);
	if (process)
		__sync_fetch_and_add(&process->migrations, 1);
	return 0;
}

/* The last thread of a process has ended: its PID may come to mean another. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	u32 tgid = p->tgid;

	if (BPF_CORE_READ(p, signal, live.counter) == 0)
		bpf_map_delete_elem(&processes, &tgid);
	return 0;
}
