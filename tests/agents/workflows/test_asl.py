"""Amazon States Language: examples of its specification and of the developer guide, imported and run."""

import pytest

from guru.agents.tools.base import ToolResult
from guru.agents.workflows.asl import import_asl
from guru.agents.workflows.check import check
from guru.agents.workflows.reading import read

LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"


def imported(machine, **resources):
    mapped = {LAMBDA + name: tool for name, tool in resources.items()}
    plain, problems = import_asl(machine, "machine", mapped)
    assert problems == []
    workflow, problems = read(plain)
    assert problems == [] and check(workflow) == []
    return plain


# The first example of the specification.
HELLO = {
    "Comment": "A simple minimal example of the States language",
    "StartAt": "Hello World",
    "States": {"Hello World": {"Type": "Task", "Resource": LAMBDA + "HelloWorld", "End": True}},
}
# "Choice State" of the specification.
CHOICE = {
    "StartAt": "DispatchEvent",
    "States": {
        "DispatchEvent": {
            "Type": "Choice",
            "Choices": [
                {"Not": {"Variable": "$.type", "StringEquals": "Private"}, "Next": "Public"},
                {
                    "And": [
                        {"Variable": "$.value", "IsPresent": True},
                        {"Variable": "$.value", "IsNumeric": True},
                        {"Variable": "$.value", "NumericGreaterThanEquals": 20},
                        {"Variable": "$.value", "NumericLessThan": 30},
                    ],
                    "Next": "ValueInTwenties",
                },
            ],
            "Default": "RecordEvent",
        },
        "Public": {"Type": "Task", "Resource": LAMBDA + "Foo", "Next": "NextState"},
        "ValueInTwenties": {"Type": "Task", "Resource": LAMBDA + "Bar", "Next": "NextState"},
        "RecordEvent": {"Type": "Fail", "Error": "Recorded", "Cause": "No {{ value }}"},
        "NextState": {"Type": "Succeed"},
    },
}
# "Map State" of the specification.
MAP = {
    "StartAt": "Validate-All",
    "States": {
        "Validate-All": {
            "Type": "Map", "InputPath": "$.detail", "ItemsPath": "$.shipped", "MaxConcurrency": 0,
            "ItemSelector": {"parcel.$": "$$.Map.Item.Value", "courier.$": "$.delivery-partner",
                             "note": "{{ as it is }}"},
            "ResultPath": "$.detail.shipped",
            "ItemProcessor": {
                "StartAt": "Validate",
                "States": {"Validate": {"Type": "Task", "Resource": LAMBDA + "ship-val", "End": True}},
            },
            "End": True,
        }
    },
}  # fmt: skip
SHIPPED = {
    "ship-date": "2016-03-14T01:59:00Z",
    "detail": {
        "delivery-partner": "UQS",
        "shipped": [
            {"prod": "R31", "dest-code": 9511, "quantity": 1344},
            {"prod": "S39", "dest-code": 9511, "quantity": 40},
        ],
    },
}
# "Parallel State" of the specification.
PARALLEL = {
    "StartAt": "LookupCustomerInfo",
    "States": {
        "LookupCustomerInfo": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": f"Lookup{what}",
                 "States": {f"Lookup{what}": {"Type": "Task", "Resource": f"{LAMBDA}{what}Finder", "End": True}}}
                for what in ("Address", "Phone")
            ],
            "End": True,
        }
    },
}  # fmt: skip
# "ResultPath" of the specification: the sum is put beside the input.
SUM = {
    "StartAt": "X",
    "States": {
        "X": {"Type": "Task", "Resource": LAMBDA + "Add", "InputPath": "$.numbers", "ResultPath": "$.sum", "End": True}
    },
}
# "Job poller", a sample project of the developer guide, with a wait that a test can wait for.
POLLER = {
    "Comment": "A state machine that submits a Job to AWS Batch and monitors the Job until it completes.",
    "StartAt": "Submit Job",
    "States": {
        "Submit Job": {"Type": "Task", "Resource": LAMBDA + "SubmitJob", "ResultPath": "$.guid",
                       "Next": "Wait X Seconds"},
        "Wait X Seconds": {"Type": "Wait", "SecondsPath": "$.wait_time", "Next": "Get Job Status"},
        "Get Job Status": {
            "Type": "Task", "Resource": LAMBDA + "CheckJob", "Next": "Job Complete?", "InputPath": "$.guid",
            "ResultPath": "$.status",
        },
        "Job Complete?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.status", "StringEquals": "FAILED", "Next": "Job Failed"},
                {"Variable": "$.status", "StringEquals": "SUCCEEDED", "Next": "Get Final Job Status"},
            ],
            "Default": "Wait X Seconds",
        },
        "Job Failed": {"Type": "Fail", "Cause": "AWS Batch Job Failed", "Error": "DescribeJob returned FAILED"},
        "Get Final Job Status": {"Type": "Task", "Resource": LAMBDA + "CheckJob", "InputPath": "$.guid", "End": True},
    },
}  # fmt: skip
# "Error handling": retries and a fallback.
CATCH = {
    "StartAt": "HelloWorld",
    "States": {
        "HelloWorld": {
            "Type": "Task", "Resource": LAMBDA + "Flaky",
            "Retry": [
                {"ErrorEquals": ["ErrorA", "RateLimited"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 1,
                 "MaxDelaySeconds": 1, "JitterStrategy": "FULL"},
                {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0},
            ],
            "Catch": [
                {"ErrorEquals": ["ErrorA"], "Next": "Other"},
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error-info", "Next": "Fallback"},
            ],
            "End": True,
        },
        "Other": {"Type": "Succeed"},
        "Fallback": {"Type": "Pass", "Result": "Hello, AWS Step Functions!", "ResultPath": "$.said", "End": True},
    },
}  # fmt: skip


async def test_the_first_example_runs(shop):
    run = await shop.run(imported(HELLO, HelloWorld="note"), {"text": "hi"})
    assert (run.status, run.output, shop.desk.done[0][1]) == ("done", "noted hi", "hi")


async def test_a_choice_runs(shop):
    machine = imported(CHOICE, Foo="note", Bar="note")
    public = await shop.run(machine, {"type": "Public", "text": "p"})
    assert (public.output, [*await shop.steps(public)]) == ("noted p", ["DispatchEvent", "Public", "NextState"])
    assert (await shop.run(machine, {"type": "Private", "value": 22, "text": "t"})).output == "noted t"
    failed = await shop.run(machine, {"type": "Private", "value": 33})
    assert (failed.error, failed.cause) == ("Recorded", "No {{ value }}")


async def test_a_map_runs(shop):
    async def ship(arguments, place):
        return ToolResult(text="", data=arguments)

    shop.desk.do_note = ship
    run = await shop.run(imported(MAP, **{"ship-val": "note"}), SHIPPED)
    told = [{"parcel": item, "courier": "UQS", "note": "{{ as it is }}"} for item in SHIPPED["detail"]["shipped"]]
    assert run.output == SHIPPED | {"detail": SHIPPED["detail"] | {"shipped": told}}


async def test_parallel_branches_run(shop):
    run = await shop.run(imported(PARALLEL, AddressFinder="note", PhoneFinder="charge"), {"text": "c271"})
    assert run.output == ["noted c271", {"charged": "c271"}]


async def test_a_result_is_put_beside_the_input(shop):
    async def add(arguments, place):
        return ToolResult(text="", data=arguments["val1"] + arguments["val2"])

    shop.desk.do_note = add
    given = {"title": "Numbers to add", "numbers": {"val1": 3, "val2": 4}}
    assert (await shop.run(imported(SUM, Add="note"), given)).output == given | {"sum": 7}


async def test_the_job_poller_runs(shop):
    states = iter(["RUNNING", "RUNNING", "SUCCEEDED", "SUCCEEDED"])

    async def submit(arguments, place):
        return ToolResult(text="", data={"guid": "j1"})

    async def look(arguments, place):
        assert arguments == {"guid": "j1"}
        return ToolResult(text=next(states))

    shop.desk.do_note, shop.desk.do_charge = submit, look
    run = await shop.run(imported(POLLER, SubmitJob="note", CheckJob="charge"), {"wait_time": 0})
    assert (run.status, run.output) == ("done", "SUCCEEDED")
    assert [path for path in await shop.steps(run) if path.startswith("Wait")] == [
        "Wait X Seconds", "Wait X Seconds#2", "Wait X Seconds#3",
    ]  # fmt: skip


async def test_errors_are_tried_again_and_caught(shop):
    shop.desk.failures = {"x": 5}
    run = await shop.run(imported(CATCH, Flaky="flaky"), {"name": "x"})
    assert run.output == {
        "name": "x", "error-info": {"Error": "RateLimited", "Cause": "Too many."},
        "said": "Hello, AWS Step Functions!",
    }  # fmt: skip
    assert len((await shop.steps(run))["HelloWorld"].attempts) == 2


async def test_a_resource_may_stand_for_a_person(shop):
    person = {"kind": "human", "title": "Approve {{ $.text }}?", "decisions": ["yes"]}
    run = await shop.begin(imported(HELLO, HelloWorld=person), {"text": "it"})
    assert (await shop.asked(run, "Hello World")).title == "Approve it?"
    await shop.say(run, "Hello World", decision="yes")
    assert (await shop.ended(run)).output["decision"] == "yes"


def test_what_cannot_be_imported_is_refused_by_name_with_its_place():
    machine = {
        "QueryLanguage": "JSONata", "StartAt": "A", "Extra": 1,
        "States": {
            "A": {"Type": "Task", "Resource": "arn:unknown", "HeartbeatSeconds": 5, "Arguments": {}, "Next": "B"},
            "B": {"Type": "Map", "ItemReader": {}, "End": True,
                  "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "C",
                                    "States": {"C": {"Type": "Pass", "Assign": {}, "End": True}}}},
            "D": {"Type": "Choice", "Choices": [{"Condition": "{% $x %}", "Next": "A"}]},
            "E": {"Type": "Activity"},
            "F": {"Type": "Pass", "Parameters": {"x.$": "$.a[?(@.b)]", "y.$": "States.Nope()"}, "End": True},
            "G": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "x", "End": True},
        },
    }  # fmt: skip
    _, problems = import_asl(machine, "machine", {})
    assert {problem.place for problem in problems} == {
        "QueryLanguage", "Extra", "States.A.Resource", "States.A.HeartbeatSeconds", "States.A.Arguments",
        "States.B.ItemReader", "States.B.ItemProcessor.ProcessorConfig.Mode", "States.B.ItemProcessor.States.C.Assign",
        "States.D.Choices[0].Condition", "States.E.Type", "States.F.Parameters.x.$", "States.F.Parameters.y.$",
        "States.G.QueryLanguage", "States.G.Output",
    }  # fmt: skip


@pytest.mark.parametrize(
    "machine",
    [{}, {"StartAt": "A"}, {"StartAt": "A", "States": []}, {"StartAt": "A", "States": {"A": 1}},
     {"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": [1]}}},
     {"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [1]}}},
     {"StartAt": "A", "States": {"A": {"Type": "Map", "Iterator": 3}}},
     {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": 3, "Retry": 4}}},
     {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": [], "Retry": [4], "Catch": [None]}}}],
)  # fmt: skip
def test_garbage_is_refused(machine):
    plain, problems = import_asl(machine, "machine", {})
    assert problems or read(plain)[0] is None
