/* SPDX-License-Identifier: GPL-2.0-only OR MIT
 *
 * gthulhu: a sched_ext scheduler that keeps what Kubernetes promises, and multiplies it by what strategies say.
 *
 * The kernel's own scheduler shares the CPUs out level by level: children of a cgroup compete by cpu.weight, and what
 * a child gets is shared out among its own children, down to the tasks. This scheduler flattens that tree. A task's
 * share of the machine is the product, over the levels from its cgroup up to the root, of
 *
 *     weight of the entity / sum of the weights of all entities active at its level
 *
 * where an entity is a task or a cgroup with something runnable in it. A pod's weight is its cpu.weight (its CPU
 * request) times the factor of its strategy; nothing else changes what a pod is entitled to.
 *
 * All runnable tasks wait in one queue, ordered by virtual time. Running for t moves a task's virtual time on by
 * t / share, so those with larger shares come around sooner. As all shares add up to one, virtual time passes at least
 * as fast as real time while anybody waits (and as many times faster as there are busy CPUs). That gives the bound on
 * waiting for free: a task is never put further ahead in the queue than max_lead_ns, however small its share is.
 *
 * cpu.max is kept by the same walk up the tree: what a task runs is charged to each limited cgroup above it, and a
 * task below an exhausted one waits in a second queue, ordered by when its period ends.
 *
 * Kernel threads that are bound to one CPU go straight to that CPU: nothing of ours stands in their way.
 *
 * Counts of what is active are kept with atomic operations and no lock. Two CPUs can leave a count of weights stale for
 * a moment; every charge compares what an entity has contributed with what it should, and mends the difference.
 */
#include "kernel.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define SHARED 0ULL
#define THROTTLED 1ULL

#define MAX_LEVELS 10
#define MAX_CPUS 1024
#define MAX_CGROUPS 16384
#define MAX_POLICIES 65536

#define NSEC_PER_USEC 1000ULL
#define FACTOR_ONE 1024ULL	       /* fixed point of factors in policies */
#define SHARE_ONE (1ULL << 30)	       /* fixed point of shares: the whole machine */
#define WAKEUP_GRANULARITY_NS 1000000ULL /* a waking task must be this far behind to push another off its CPU */
#define TIMER_NS 1000000ULL	       /* how often exhausted cgroups are looked at */

const volatile u64 default_slice_ns = 5000000ULL;
const volatile u64 max_lead_ns = 500000000ULL;

/* Written by the agent. */
struct policy {
	u64 factor; /* of the weight, FACTOR_ONE = unchanged */
	u64 slice_ns; /* 0: the default */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CGROUPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64); /* cgroup id: inode of its directory */
	__type(value, struct policy);
} cgroup_policies SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_POLICIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32); /* TID of one thread, or TGID of all of a process */
	__type(value, struct policy);
} task_policies SEC(".maps");

/* What the kernel says of a cgroup, and what is active in it. */
struct group {
	u64 parent; /* 0: it is the root */
	u64 weight; /* cpu.weight */
	u64 contributed; /* what is in the parent's active_weight for it */
	u64 active_weight; /* sum over its active entities */
	s64 active; /* how many there are */
	u64 period_ns;
	u64 quota_ns; /* 0: unlimited */
	u64 period_start;
	u64 used_ns; /* since then; may pass the quota, the debt is carried over */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CGROUPS);
	__type(key, u64);
	__type(value, struct group);
} groups SEC(".maps");

struct task {
	u64 vtime;
	u64 since; /* when it was last charged; 0: it is not running */
	u64 group; /* where it is counted as active */
	u64 contributed; /* what is in that group's active_weight for it; 0: it is not active */
	u64 waited; /* it comes from the shared queue, where it was the first */
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} tasks SEC(".maps");

/* What each CPU runs: a waking task is compared with it. */
struct cpu {
	u64 vtime; /* of the running task */
	u64 busy; /* 0: it runs nothing that could be pushed off */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_CPUS);
	__type(key, u32);
	__type(value, struct cpu);
} cpus SEC(".maps");

/* Read by the agent. */
struct counters {
	u64 nr_dispatches;
	u64 nr_direct_dispatches; /* straight to a CPU, past the queue */
	u64 nr_kept; /* the running task stayed, being the first in order */
	u64 nr_throttled;
	u64 nr_preemptions;
	u64 nr_cancelled; /* taken out of the queue before they ran */
	u64 nr_bounded; /* put ahead of their share, for the bound on waiting */
	s64 nr_running;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct wakeup {
	struct bpf_timer timer;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct wakeup);
} wakeups SEC(".maps");

u64 vtime_now;
u64 nr_queued; /* sampled */
s64 exit_kind;
s64 exit_code;
char exit_reason[128];
char exit_message[1024];

#define count(member, n)                                                                                       \
	({                                                                                                     \
		u32 zero = 0;                                                                                  \
		struct counters *mine = bpf_map_lookup_elem(&counters, &zero);                                 \
		if (mine)                                                                                      \
			mine->member += (n);                                                                   \
	})

static __always_inline bool before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

static __always_inline struct task *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, 0);
}

static __always_inline u64 group_of(struct task_struct *p)
{
	u64 id = p->sched_task_group->css.cgroup->kn->id;

	return id ? id : 1; /* an autogroup has no cgroup: its tasks count as the root's */
}

static __always_inline bool bound_kthread(struct task_struct *p)
{
	return (p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1;
}

static __always_inline u64 weighted(u64 weight, struct policy *policy)
{
	u64 product = policy ? weight * policy->factor / FACTOR_ONE : weight;

	return product ? product : 1;
}

static __always_inline struct policy *task_policy(struct task_struct *p)
{
	u32 id = p->pid;
	struct policy *policy = bpf_map_lookup_elem(&task_policies, &id);

	if (policy)
		return policy;
	id = p->tgid;
	return bpf_map_lookup_elem(&task_policies, &id);
}

static __always_inline u64 group_weight(u64 id, struct group *group)
{
	return weighted(group->weight, bpf_map_lookup_elem(&cgroup_policies, &id));
}

/* The slice: of the thread, its process, or the nearest cgroup above that has one. */
static __always_inline u64 slice_of(struct task_struct *p)
{
	struct policy *policy = task_policy(p);
	u64 id = group_of(p);

	if (policy && policy->slice_ns)
		return policy->slice_ns;
	for (int level = 0; level < MAX_LEVELS && id; level++) {
		struct group *group;

		policy = bpf_map_lookup_elem(&cgroup_policies, &id);
		if (policy && policy->slice_ns)
			return policy->slice_ns;
		group = bpf_map_lookup_elem(&groups, &id);
		if (!group)
			break;
		id = group->parent;
	}
	return default_slice_ns;
}

/* Brings what an entity has put into its level's sum to what it should be there. */
static __always_inline void contribute(u64 *contributed, u64 weight, struct group *level)
{
	u64 old = *contributed;

	if (old != weight && __sync_val_compare_and_swap(contributed, old, weight) == old)
		__sync_fetch_and_add(&level->active_weight, weight - old);
}

static __always_inline void activate(struct task_struct *p, struct task *task)
{
	u64 id = group_of(p);
	struct group *group = bpf_map_lookup_elem(&groups, &id);

	if (task->contributed || !group)
		return;
	task->group = id;
	contribute(&task->contributed, weighted(p->scx.weight, task_policy(p)), group);
	for (int level = 0; level < MAX_LEVELS; level++) {
		struct group *parent;
		u64 weight;

		if (__sync_fetch_and_add(&group->active, 1) > 0 || !group->parent)
			break;
		weight = group_weight(id, group);
		id = group->parent;
		parent = bpf_map_lookup_elem(&groups, &id);
		if (!parent)
			break;
		contribute(&group->contributed, weight, parent);
		group = parent;
	}
}

static __always_inline void deactivate(struct task *task)
{
	u64 id = task->group;
	struct group *group = bpf_map_lookup_elem(&groups, &id);

	if (!task->contributed || !group)
		return;
	contribute(&task->contributed, 0, group);
	for (int level = 0; level < MAX_LEVELS; level++) {
		struct group *parent;

		if (__sync_fetch_and_add(&group->active, -1) > 1 || !group->parent)
			break;
		id = group->parent;
		parent = bpf_map_lookup_elem(&groups, &id);
		if (!parent)
			break;
		contribute(&group->contributed, 0, parent);
		group = parent;
	}
}

static __always_inline void refill(struct group *group, u64 now)
{
	u64 start = group->period_start, period = group->period_ns, given;
	u64 periods = period ? (now - start) / period : 0;

	if (!periods || before(now, start))
		return;
	if (__sync_val_compare_and_swap(&group->period_start, start, start + periods * period) != start)
		return;
	given = periods * group->quota_ns;
	if (group->used_ns < given)
		given = group->used_ns;
	__sync_fetch_and_add(&group->used_ns, -given);
}

static __always_inline void advance(u64 vtime)
{
	if (before(vtime_now, vtime))
		vtime_now = vtime;
}

/* What a running task has used since it was last charged: moves its virtual time on, and every limit above it. */
static __always_inline void charge(struct task_struct *p, struct task *task, u64 now)
{
	u64 used = now - task->since, share = SHARE_ONE, id = task->group, weight;
	struct group *group = bpf_map_lookup_elem(&groups, &id);

	task->since = now;
	if (!group || !task->contributed) {
		task->vtime += used;
		return;
	}
	weight = weighted(p->scx.weight, task_policy(p));
	contribute(&task->contributed, weight, group);
	for (int level = 0; level < MAX_LEVELS; level++) {
		u64 sum = group->active_weight;
		struct group *parent;

		if (group->quota_ns) {
			refill(group, now);
			__sync_fetch_and_add(&group->used_ns, used);
		}
		if (sum > weight)
			share = share * weight / sum;
		if (!group->parent)
			break;
		weight = group_weight(id, group);
		id = group->parent;
		parent = bpf_map_lookup_elem(&groups, &id);
		if (!parent)
			break;
		contribute(&group->contributed, weight, parent);
		group = parent;
	}
	task->vtime += used * (SHARE_ONE >> 10) / ((share >> 10) + 1);
	if (!scx_bpf_dsq_nr_queued(SHARED)) /* where nobody waits, time is that of those who run */
		advance(task->vtime);
}

/* When a task below an exhausted limit may run again; 0: now. */
static __always_inline u64 throttled_until(struct task_struct *p, u64 now, u64 *slice)
{
	u64 id = group_of(p), until = 0;

	for (int level = 0; level < MAX_LEVELS && id; level++) {
		struct group *group = bpf_map_lookup_elem(&groups, &id);
		u64 used, quota;

		if (!group)
			break;
		quota = group->quota_ns;
		if (quota) {
			refill(group, now);
			used = group->used_ns;
			if (used >= quota) {
				u64 release = group->period_start + used / quota * group->period_ns;

				if (!until || before(until, release))
					until = release;
			} else if (quota - used < *slice) {
				*slice = quota - used;
			}
		}
		id = group->parent;
	}
	return until;
}

static __always_inline void set_slice(struct task_struct *p, u64 slice)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice);
	else
		p->scx.slice = slice;
}

SEC("struct_ops/gthulhu_select_cpu")
s32 BPF_PROG(gthulhu_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
	u64 slice;

	if (!idle)
		return cpu;
	slice = slice_of(p);
	if (!throttled_until(p, bpf_ktime_get_ns(), &slice)) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, 0);
		count(nr_direct_dispatches, 1);
	}
	return cpu;
}

SEC("struct_ops/gthulhu_enqueue")
void BPF_PROG(gthulhu_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task *task = task_of(p);
	u64 slice, until, bound, now = bpf_ktime_get_ns();
	struct cpu *cpu;
	u32 id;

	slice = slice_of(p);
	if (!task || bound_kthread(p)) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice, enq_flags);
		count(nr_direct_dispatches, 1);
		return;
	}
	/* A sleeper keeps one slice of what it has not used; nobody waits longer than the bound. */
	if (before(task->vtime, vtime_now - slice))
		task->vtime = vtime_now - slice;
	bound = vtime_now + max_lead_ns;
	if (before(bound, task->vtime)) {
		task->vtime = bound;
		count(nr_bounded, 1);
	}
	until = throttled_until(p, now, &slice);
	if (until) {
		scx_bpf_dsq_insert_vtime(p, THROTTLED, slice, until, enq_flags);
		count(nr_throttled, 1);
		return;
	}
	task->waited = true;
	scx_bpf_dsq_insert_vtime(p, SHARED, slice, task->vtime, enq_flags);
	id = scx_bpf_task_cpu(p);
	if (enq_flags & SCX_ENQ_LAST) /* its CPU would go idle beside it */
		scx_bpf_kick_cpu(id, SCX_KICK_IDLE);
	if (!(enq_flags & SCX_ENQ_WAKEUP))
		return;
	cpu = bpf_map_lookup_elem(&cpus, &id);
	if (cpu && cpu->busy && before(task->vtime + WAKEUP_GRANULARITY_NS, cpu->vtime)) {
		scx_bpf_kick_cpu(id, SCX_KICK_PREEMPT);
		count(nr_preemptions, 1);
	}
}

SEC("struct_ops/gthulhu_dequeue")
void BPF_PROG(gthulhu_dequeue, struct task_struct *p, u64 deq_flags)
{
	count(nr_cancelled, 1);
}

SEC("struct_ops/gthulhu_dispatch")
void BPF_PROG(gthulhu_dispatch, s32 cpu, struct task_struct *prev)
{
	/* The running task is not in the queue: it stays where it comes before the first that is. */
	if (prev && (prev->scx.flags & SCX_TASK_QUEUED)) {
		struct task *task = task_of(prev);
		u64 now = bpf_ktime_get_ns(), slice = slice_of(prev);

		if (task && task->since && !throttled_until(prev, now, &slice)) {
			struct bpf_iter_scx_dsq it;
			struct task_struct *head;
			bool first = true;

			charge(prev, task, now);
			if (!bpf_iter_scx_dsq_new(&it, SHARED, 0) && (head = bpf_iter_scx_dsq_next(&it)))
				first = before(task->vtime, head->scx.dsq_vtime);
			bpf_iter_scx_dsq_destroy(&it);
			if (first || !scx_bpf_dsq_move_to_local(SHARED)) {
				set_slice(prev, slice);
				count(nr_kept, 1);
			} else {
				count(nr_dispatches, 1);
			}
			return;
		}
	}
	if (scx_bpf_dsq_move_to_local(SHARED))
		count(nr_dispatches, 1);
}

SEC("struct_ops/gthulhu_tick")
void BPF_PROG(gthulhu_tick, struct task_struct *p)
{
	struct task *task = task_of(p);
	u64 now = bpf_ktime_get_ns(), slice = default_slice_ns;
	u32 id = bpf_get_smp_processor_id();
	struct cpu *cpu = bpf_map_lookup_elem(&cpus, &id);

	if (!task || !task->since)
		return;
	charge(p, task, now);
	if (cpu)
		cpu->vtime = task->vtime;
	if (!bound_kthread(p) && throttled_until(p, now, &slice))
		set_slice(p, 0);
}

SEC("struct_ops/gthulhu_runnable")
void BPF_PROG(gthulhu_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task *task = task_of(p);

	if (task)
		activate(p, task);
}

SEC("struct_ops/gthulhu_running")
void BPF_PROG(gthulhu_running, struct task_struct *p)
{
	struct task *task = task_of(p);
	u32 id = bpf_get_smp_processor_id();
	struct cpu *cpu = bpf_map_lookup_elem(&cpus, &id);

	count(nr_running, 1);
	if (!task)
		return;
	task->since = bpf_ktime_get_ns();
	if (task->waited)
		advance(task->vtime);
	task->waited = false;
	if (cpu) {
		cpu->vtime = task->vtime;
		cpu->busy = !bound_kthread(p);
	}
}

SEC("struct_ops/gthulhu_stopping")
void BPF_PROG(gthulhu_stopping, struct task_struct *p, bool runnable)
{
	struct task *task = task_of(p);
	u32 id = bpf_get_smp_processor_id();
	struct cpu *cpu = bpf_map_lookup_elem(&cpus, &id);

	count(nr_running, -1);
	if (cpu)
		cpu->busy = 0;
	if (!task || !task->since)
		return;
	charge(p, task, bpf_ktime_get_ns());
	task->since = 0;
}

SEC("struct_ops/gthulhu_quiescent")
void BPF_PROG(gthulhu_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task *task = task_of(p);

	if (task)
		deactivate(task);
}

SEC("struct_ops.s/gthulhu_init_task")
s32 BPF_PROG(gthulhu_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE) ? 0 : -12 /* ENOMEM */;
}

SEC("struct_ops/gthulhu_enable")
void BPF_PROG(gthulhu_enable, struct task_struct *p)
{
	struct task *task = task_of(p);

	if (task)
		task->vtime = vtime_now;
}

SEC("struct_ops/gthulhu_disable")
void BPF_PROG(gthulhu_disable, struct task_struct *p)
{
	struct task *task = task_of(p);

	if (task)
		deactivate(task);
}

static __always_inline void set_bandwidth(struct group *group, u64 period_us, u64 quota_us)
{
	group->period_ns = period_us * NSEC_PER_USEC;
	group->period_start = bpf_ktime_get_ns();
	group->used_ns = 0;
	group->quota_ns = quota_us == ~0ULL ? 0 : quota_us * NSEC_PER_USEC;
}

SEC("struct_ops.s/gthulhu_cgroup_init")
s32 BPF_PROG(gthulhu_cgroup_init, struct cgroup *cgrp, struct scx_cgroup_init_args *args)
{
	struct group group = { .weight = args->weight };
	u64 id = cgrp->kn->id;

	group.parent = BPF_CORE_READ(cgrp, self.parent, cgroup, kn, id);
	if (bpf_core_field_exists(args->bw_quota_us))
		set_bandwidth(&group, args->bw_period_us, args->bw_quota_us);
	return bpf_map_update_elem(&groups, &id, &group, BPF_ANY);
}

SEC("struct_ops.s/gthulhu_cgroup_exit")
void BPF_PROG(gthulhu_cgroup_exit, struct cgroup *cgrp)
{
	u64 id = cgrp->kn->id;

	bpf_map_delete_elem(&groups, &id);
	bpf_map_delete_elem(&cgroup_policies, &id);
}

SEC("struct_ops/gthulhu_cgroup_set_weight")
void BPF_PROG(gthulhu_cgroup_set_weight, struct cgroup *cgrp, u32 weight)
{
	u64 id = cgrp->kn->id;
	struct group *group = bpf_map_lookup_elem(&groups, &id);

	if (group)
		group->weight = weight;
}

SEC("struct_ops/gthulhu_cgroup_set_bandwidth")
void BPF_PROG(gthulhu_cgroup_set_bandwidth, struct cgroup *cgrp, u64 period_us, u64 quota_us, u64 burst_us)
{
	u64 id = cgrp->kn->id;
	struct group *group = bpf_map_lookup_elem(&groups, &id);

	if (group)
		set_bandwidth(group, period_us, quota_us);
}

/* Puts back into the shared queue what may run again, and samples how many wait. */
static int release(void *map, u32 *key, struct wakeup *wakeup)
{
	u64 now = bpf_ktime_get_ns();
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;

	nr_queued = scx_bpf_dsq_nr_queued(SHARED) + scx_bpf_dsq_nr_queued(THROTTLED);
	if (scx_bpf_dsq_nr_queued(THROTTLED) > 0) {
		bpf_rcu_read_lock();
		if (!bpf_iter_scx_dsq_new(&it, THROTTLED, 0)) {
			while ((p = bpf_iter_scx_dsq_next(&it))) {
				struct task *task;
				s32 cpu;

				if (before(now, p->scx.dsq_vtime))
					break;
				task = bpf_task_storage_get(&tasks, p, 0, 0);
				scx_bpf_dsq_move_set_vtime(&it, task ? task->vtime : vtime_now);
				scx_bpf_dsq_move_vtime(&it, p, SHARED, 0);
				cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
				if (cpu >= 0)
					scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
			}
		}
		bpf_iter_scx_dsq_destroy(&it);
		bpf_rcu_read_unlock();
	}
	bpf_timer_start(&wakeup->timer, TIMER_NS, 0);
	return 0;
}

SEC("struct_ops.s/gthulhu_init")
s32 BPF_PROG(gthulhu_init)
{
	struct wakeup *wakeup;
	u32 zero = 0;
	s32 error;

	error = scx_bpf_create_dsq(SHARED, -1);
	if (!error)
		error = scx_bpf_create_dsq(THROTTLED, -1);
	if (error)
		return error;
	wakeup = bpf_map_lookup_elem(&wakeups, &zero);
	if (!wakeup)
		return -2; /* ENOENT */
	error = bpf_timer_init(&wakeup->timer, &wakeups, CLOCK_MONOTONIC);
	if (!error)
		error = bpf_timer_set_callback(&wakeup->timer, release);
	if (!error)
		error = bpf_timer_start(&wakeup->timer, TIMER_NS, 0);
	return error;
}

SEC("struct_ops/gthulhu_exit")
void BPF_PROG(gthulhu_exit, struct scx_exit_info *info)
{
	exit_kind = info->kind;
	exit_code = info->exit_code;
	bpf_probe_read_kernel_str(exit_reason, sizeof(exit_reason), info->reason);
	bpf_probe_read_kernel_str(exit_message, sizeof(exit_message), info->msg);
}

SEC(".struct_ops.link")
struct sched_ext_ops gthulhu = {
	.select_cpu = (void *)gthulhu_select_cpu,
	.enqueue = (void *)gthulhu_enqueue,
	.dequeue = (void *)gthulhu_dequeue,
	.dispatch = (void *)gthulhu_dispatch,
	.tick = (void *)gthulhu_tick,
	.runnable = (void *)gthulhu_runnable,
	.running = (void *)gthulhu_running,
	.stopping = (void *)gthulhu_stopping,
	.quiescent = (void *)gthulhu_quiescent,
	.init_task = (void *)gthulhu_init_task,
	.enable = (void *)gthulhu_enable,
	.disable = (void *)gthulhu_disable,
	.cgroup_init = (void *)gthulhu_cgroup_init,
	.cgroup_exit = (void *)gthulhu_cgroup_exit,
	.cgroup_set_weight = (void *)gthulhu_cgroup_set_weight,
	.cgroup_set_bandwidth = (void *)gthulhu_cgroup_set_bandwidth,
	.init = (void *)gthulhu_init,
	.exit = (void *)gthulhu_exit,
	.flags = SCX_OPS_ENQ_LAST | SCX_OPS_ENQ_EXITING,
	.timeout_ms = 10000,
	.name = "gthulhu",
};
