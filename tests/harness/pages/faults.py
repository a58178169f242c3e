"""docs/fault-tests.md: of each fault, what it leads to, what to do, the pods that show it and the tests that play it.

Made of docs/faults.md, of the table of reasons, of tests/pods/ and of TESTS.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spectrogram_operator.api.reasons import REASONS
from unit.operator.core.judging.test_outcome import ENDED, NOT_OVER

ROOT = Path(__file__).parents[3]
FAULTS = ROOT / "docs" / "faults.md"
TIERS = {"unit": ("unit",), "API": ("api", "cluster"), "node": ("node",)}
"""By column, the folders of tests/ that it is about."""


class Shown(NamedTuple):
    """The names of tests of a fault, by column."""

    unit: tuple[str, ...] = ()
    api: tuple[str, ...] = ()
    node: tuple[str, ...] = ()


JUDGED_BY_ITS_POD = Shown(
    ("test_the_outcome_of_a_pod_that_is_over",), ("test_every_pod_that_is_over_is_judged_as_its_fault_says",)
)
"""Of each fault that a pod in tests/pods/ shows which is over."""
ENDS_BADLY = "test_a_worker_that_ends_badly_by_itself"
REFUSED = "test_what_cannot_be_is_said_once_and_never_tried_again"
CRASHES = "test_killed_after_any_of_its_calls_the_operator_goes_on_where_it_was"
TESTS = {
    1: Shown(
        ("test_a_zombie_fails_the_job_unless_it_says_retry",),
        ("test_an_oom_killed_pod_fails_the_job_at_once_although_retries_are_left",),
        ("test_a_worker_that_the_kernel_kills_for_its_memory_is_a_zombie_and_whoever_is_on_duty_hears_of_it",),
    ),
    2: Shown(
        ("test_a_success_after_a_child_was_killed_is_a_success_with_a_warning",),
        ("test_a_memory_error_beyond_the_default_pool_moves_the_job_to_the_large_one",),
        (ENDS_BADLY, "test_memory_that_does_not_suffice_is_found_out_before_it_is_used_and_the_retry_has_more"),
    ),
    3: Shown(
        ("test_a_kill_without_a_reason_is_suspected_where_memory_was_nearly_full",),
        (),
        ("test_a_worker_that_somebody_kills_is_the_infrastructures_trouble",),
    ),
    4: Shown((), (), ("test_a_worker_that_reacts_to_nothing_is_killed_at_its_hard_limit",)),
    5: Shown(
        ("test_a_pod_that_outlives_its_hard_limit_is_ended_by_the_operator",),
        ("test_a_deadline_that_no_kubelet_enforces_is_enforced_by_the_operator",),
    ),
    6: Shown(
        ("test_the_soft_limit_is_84_and_keeps_what_is_done",),
        (),
        ("test_a_job_that_passes_its_soft_limit_keeps_what_is_complete",),
    ),
    7: Shown(
        ("test_the_safeguard_keeps_what_is_done",),
        (),
        ("test_the_safeguard_stops_a_worker_whose_memory_fills_up",),
    ),
    8: Shown(("test_row_16_the_same_crash_twice_without_progress_is_the_last",), (), (ENDS_BADLY,)),
    9: Shown(
        ("test_evidence_is_written_while_the_pod_exists_and_judged_when_it_is_gone",),
        ("test_a_pod_deleted_by_a_person_is_replaced_once_it_has_ended",),
        ("test_a_deleted_pod_is_replaced_out_of_the_jobs_own_budget",),
    ),
    10: Shown(("test_a_disruption_on_record_explains_a_kill_and_is_no_zombie",)),
    11: Shown(
        ("test_a_disruption_that_was_called_off_explains_nothing",),
        ("test_a_drained_pod_costs_no_try", "test_a_drain_on_record_explains_a_pod_that_is_gone_after_a_restart"),
        ("test_a_drained_job_keeps_what_is_complete_and_runs_again_once_it_may",),
    ),
    12: Shown(
        ("test_row_6_preempted_by_a_queue_is_paid_for_by_the_infrastructure",),
        ("test_a_pod_preempted_by_the_scheduler_costs_no_try",),
    ),
    13: Shown(
        ("test_a_pod_is_missing_after_two_look_ups_ten_seconds_apart",),
        (
            "test_a_pod_that_vanishes_without_an_event_is_missing_only_after_two_lookups",
            "test_a_pod_that_vanished_while_nobody_looked_is_missing",
        ),
        ("test_a_pod_that_vanishes_while_nobody_looks_is_missing",),
    ),
    14: Shown(
        (
            "test_a_crash_between_reserving_and_creating_creates_the_same_pod_again",
            "test_row_15_a_pod_that_vanishes_each_time_it_is_created_is_given_up",
        ),
        (CRASHES, "test_a_pod_creation_that_fails_is_tried_again_under_the_same_name"),
    ),
    15: Shown(
        ("test_when_the_one_that_acts_dies_the_other_goes_on_where_it_was",),
        ("test_what_ended_while_the_operator_was_down_is_judged_when_it_is_back",),
        ("test_what_ends_while_the_operator_is_down_is_judged_when_it_is_back",),
    ),
    16: Shown(
        ("test_row_1_a_pod_on_a_lost_node_is_given_up_after_a_grace",),
        ("test_a_pod_driven_off_by_a_taint_costs_no_try",),
        ("test_a_node_that_falls_silent_is_given_up_and_the_job_goes_on_when_there_is_one_again",),
    ),
    17: Shown((), (), ("test_a_node_that_is_deleted_takes_its_pods_along_and_the_job_goes_on_when_it_is_back",)),
    18: Shown(
        ("test_a_pod_that_does_not_end_needs_a_human_and_is_not_replaced",),
        ("test_a_pod_that_does_not_go_from_a_node_that_answers_is_told_and_never_forced",),
    ),
    19: Shown(
        (
            "test_a_pod_that_does_not_start_is_explained_then_ended",
            "test_a_pod_that_waits_for_a_node_says_that_one_is_added",
        ),
        (
            "test_a_pod_that_no_node_takes_for_too_long_fails_the_job",
            "test_what_an_autoscaler_says_of_a_pod_without_a_node_is_told",
        ),
        ("test_a_pod_that_no_node_can_take_waits_until_somebody_cancels_the_job",),
    ),
    20: Shown(
        (
            "test_the_clock_stands_still_while_a_gate_holds_the_pod",
            "test_a_pod_that_kueue_did_not_notice_needs_a_person_and_waits_for_them",
        ),
        (
            "test_a_pod_that_a_gate_holds_waits_at_no_cost",
            "test_jobs_of_kueues_queues_wait_for_kueue_and_take_no_slot",
        ),
    ),
    21: Shown(
        ("test_the_image_s_grace_counts_from_the_first_failure_and_across_its_faces",),
        ("test_an_image_that_cannot_be_pulled_ends_the_job_after_a_while",),
        ("test_a_job_whose_image_no_registry_gives_is_tried_again_and_an_upgrade_mends_it",),
    ),
    22: Shown(
        ("test_a_secret_that_does_not_exist_is_named_while_the_pod_waits_and_at_the_end",),
        ("test_a_secret_that_is_missing_is_named",),
        ("test_a_store_whose_secret_is_missing_is_told_in_the_status",),
    ),
    23: Shown((), (), ("test_a_program_that_is_not_there_is_not_tried_again",)),
    24: Shown((), (), ("test_an_init_container_of_others_that_fails_is_not_the_workers_fault",)),
    25: Shown(
        ("test_a_missing_claim_is_waited_for_and_named",),
        ("test_a_claim_that_never_comes_fails_the_job",),
        ("test_a_missing_claim_is_named_and_waited_for",),
    ),
    26: Shown(
        ("test_row_13_a_pod_that_does_not_start_says_why",),
        ("test_a_pod_whose_node_never_starts_it_is_replaced", "test_row_13_the_event_that_names_a_volume_is_told"),
        ("test_a_volume_that_does_not_come_is_named",),
    ),
    27: Shown((), (), ("test_a_pod_that_its_node_refuses_is_tried_elsewhere",)),
    28: Shown(("test_terminate_is_85_and_keeps_what_is_done",)),
    29: Shown(),
    30: Shown(
        ("test_a_pod_that_was_created_before_a_crash_is_adopted_as_it_is_found",),
        (CRASHES, "test_a_pod_of_the_same_name_that_is_somebody_elses_is_left_alone"),
    ),
    31: Shown(
        ("test_a_pod_that_the_watch_does_not_show_yet_is_looked_for_before_it_is_created_again",),
        ("test_what_happens_between_two_watches_is_seen",),
    ),
    32: Shown(
        ("test_of_two_operators_one_acts_and_the_other_is_ready_to",),
        (
            "test_two_operators_at_once_do_no_harm",
            "test_those_that_act_are_killed_one_after_the_other_and_no_job_is_started_twice",
        ),
        ("test_the_end_of_the_operator_that_acts_does_not_touch_a_running_job",),
    ),
    33: Shown(
        ("test_a_deleted_job_holds_its_slot_while_its_pod_runs",),
        ("test_a_job_deleted_while_it_runs_takes_its_pod_along_and_frees_its_slot",),
        ("test_deleting_a_running_job_deletes_its_pod",),
    ),
    34: Shown(
        ("test_a_job_that_is_gone_or_another_by_now_is_left_alone",),
        ("test_a_job_of_the_same_name_is_another_job",),
        ("test_a_job_that_is_made_anew_runs_beside_the_end_of_the_old_one",),
    ),
    35: Shown(
        ("test_a_spec_that_becomes_unreadable_while_a_pod_runs_ends_job_and_pod",),
        ("test_what_decides_the_result_cannot_be_changed_added_or_removed",),
    ),
    36: Shown(
        ("test_after_a_conflict_the_job_is_read_and_planned_anew",),
        ("test_somebody_elses_change_of_the_same_object_is_no_obstacle",),
    ),
    37: Shown(
        ("test_row_11_a_busy_api_server_changes_nothing_and_says_when_to_come_again",),
        (
            "test_a_pod_creation_whose_answer_is_lost_is_adopted",
            "test_an_api_server_that_dies_and_comes_back_interrupts_no_job",
        ),
    ),
    38: Shown(
        ("test_a_relist_tells_of_what_exists_and_of_nothing_that_is_gone",),
        ("test_410_in_a_watch_lists_again_and_goes_on",),
    ),
    39: Shown(
        ("test_a_pod_that_ended_without_an_event_is_judged",), ("test_a_deaf_watch_is_made_up_for_by_the_sweep",)
    ),
    40: Shown(
        (
            "test_a_node_whose_clock_is_ahead_does_not_delay_the_retry",
            "test_row_40_a_clock_that_is_wrong_is_corrected_by_the_first_answer",
        ),
        (
            "test_a_lease_is_judged_by_its_renewals_and_not_by_its_times",
            "test_a_pod_that_waits_is_not_given_up_by_an_operator_whose_clock_is_hours_off",
        ),
    ),
    41: Shown(
        ("test_of_a_job_that_is_over_a_few_facts_are_kept",),
        ("test_many_jobs_submitted_at_once_all_end_and_never_more_than_the_limit_run",),
    ),
    42: Shown(
        ("test_row_10_a_pod_that_is_held_back_gives_its_slot_to_others_and_is_never_given_up",),
        ("test_a_job_waits_for_quota_at_no_cost", "test_a_limit_range_that_worker_pods_cannot_meet_is_told"),
    ),
    43: Shown(
        ("test_fault_43_what_a_policy_forbids_ends_the_job_at_the_first_answer",),
        ("test_a_policy_that_refuses_the_pod_ends_the_job_in_its_words",),
    ),
    44: Shown(
        ("test_fault_44_a_namespace_that_is_being_deleted_holds_its_jobs_until_they_are_gone",),
        ("test_in_a_namespace_that_is_being_deleted_a_job_is_held_at_no_cost",),
    ),
    45: Shown(
        ("test_a_job_that_can_never_run_fails_before_a_pod",),
        ("test_memory_that_no_pool_has_is_refused_in_words",),
        (REFUSED,),
    ),
    46: Shown(
        ("test_errors_while_writing_have_their_codes",),
        (),
        (REFUSED, "test_results_that_do_not_fit_on_their_disk_are_said_to"),
    ),
    47: Shown((), (), (ENDS_BADLY,)),
}

HEAD = """# Faults and their tests

Made by `make faults`. What each fault leads to is in [faults.md](faults.md), what each reason means in
[status.md](status.md); here is what to do, and what shows that it is so. Pods are those of `tests/pods/`; the names of
those that a real node has recorded begin with `recorded`. The API tier has a real API server, and a node that nobody
runs; the node tier a real kubelet.

Of {faults} faults {pods} are shown by a pod ({recorded} by one that was recorded), {unit} have unit tests, {api} tests
of the API tier, {node} of the node tier.

| # | fault | reason | what to do | pods | unit | API | node |
|---|---|---|---|---|---|---|---|
"""


def titles() -> dict[int, str]:
    """What happens, by fault, as docs/faults.md says it."""
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", FAULTS.read_text(), re.MULTILINE)
    return {int(number): title for number, title in rows}


def pods(fault: int) -> list[str]:
    """The pods that show it."""
    return [str(row[1]) for row in (*ENDED, *NOT_OVER) if row[0] == str(fault)]


def tests(fault: int) -> Shown:
    """Its tests, by column."""
    own = TESTS[fault]
    if not any(row[0] == str(fault) for row in ENDED):
        return own
    return Shown(*((*found, *more) for found, more in zip(JUDGED_BY_ITS_POD, own, strict=True)))


def page() -> str:
    """The page."""
    found = {fault: tests(fault) for fault in titles()}
    counts = {tier: sum(bool(getattr(shown, tier)) for shown in found.values()) for tier in Shown._fields}
    shown_by_pods = [fault for fault in found if pods(fault)]
    recorded = [fault for fault in found if any(name.startswith("recorded") for name in pods(fault))]
    head = HEAD.format(faults=len(found), pods=len(shown_by_pods), recorded=len(recorded), **counts)
    return head + "".join(_row(fault, title) for fault, title in titles().items())


def _row(fault: int, title: str) -> str:
    own = [reason for reason in REASONS.values() if fault in reason.rows]
    advice = dict.fromkeys(one.advice.format(memory="it had", log="`kubectl logs`") for one in own if one.advice)
    cells: Iterator[str] = iter(
        (
            str(fault),
            title,
            "<br>".join(f"`{one.name}`, {one.retry_class.lower()}" for one in own) or "–",
            "<br>".join(advice) or "–",
            *("<br>".join(f"`{name}`" for name in names) or "–" for names in (pods(fault), *tests(fault))),
        )
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
