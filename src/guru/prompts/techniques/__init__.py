"""Ways to ask that work, one file each: every one takes a prompt's messages and gives them changed.

None of them is zero-shot; one or more examples are one-shot and few-shot (`few_shot`). `role`, `constraints` and
`chain_of_thought` add words; `self_consistency` asks several times and lets the answers vote.
"""
