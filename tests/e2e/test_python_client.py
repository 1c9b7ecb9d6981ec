"""The published openai package for Python against a real Slipway."""
import json

import jsonschema
import openai
import pytest
from conftest import EMBEDDED


@pytest.fixture(scope="module")
def client(slipway):
    return openai.OpenAI(base_url=slipway.url, api_key="unused", max_retries=0, timeout=120)


def ask(client, text="Say hello.", **kwargs):
    kwargs.setdefault("max_tokens", 24)
    return client.chat.completions.create(model=EMBEDDED, messages=[{"role": "user", "content": text}], **kwargs)


def test_lists_the_model(client):
    assert EMBEDDED in [m.id for m in client.models.list()]
    assert client.models.retrieve(EMBEDDED).id == EMBEDDED


def test_chat_answers_with_usage(client):
    answer = ask(client, temperature=0)
    assert answer.choices[0].message.content.strip()
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.id and answer.model


def test_the_hugging_face_id_is_an_alias(client):
    answer = client.chat.completions.create(
        model="HuggingFaceTB/SmolLM2-135M-Instruct", messages=[{"role": "user", "content": "hi"}], max_tokens=4)
    assert answer.choices[0].message.content is not None


def test_streaming_gives_the_same_text_and_usage_at_the_end(client):
    whole = ask(client, "Count to five.", temperature=0, seed=1)
    text, usage, finish = "", None, None
    for chunk in ask(client, "Count to five.", temperature=0, seed=1, stream=True, stream_options={"include_usage": True}):
        if chunk.usage:
            usage = chunk.usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert text == whole.choices[0].message.content
    assert finish == whole.choices[0].finish_reason
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_a_stream_without_include_usage_has_no_usage_chunk(client):
    chunks = list(ask(client, stream=True, max_tokens=4))
    assert all(c.choices for c in chunks)
    assert all(c.usage is None for c in chunks)


def test_several_choices_and_seed(client):
    first = ask(client, "Tell me something.", n=2, seed=7, temperature=1.0)
    assert [c.index for c in first.choices] == [0, 1]
    again = ask(client, "Tell me something.", seed=7, temperature=1.0)
    same = ask(client, "Tell me something.", seed=7, temperature=1.0)
    assert again.choices[0].message.content == same.choices[0].message.content


def test_stop_strings_end_the_text_and_do_not_appear(client):
    whole = ask(client, "Count from one to nine in digits.", temperature=0, max_tokens=40).choices[0].message.content
    stop = whole[len(whole) // 2:len(whole) // 2 + 3]
    cut = ask(client, "Count from one to nine in digits.", temperature=0, max_tokens=40, stop=[stop]).choices[0]
    assert stop not in cut.message.content
    assert cut.finish_reason == "stop"
    assert whole.startswith(cut.message.content)


def test_logprobs(client):
    content = ask(client, logprobs=True, top_logprobs=3, max_tokens=5, temperature=0).choices[0].logprobs.content
    assert 1 <= len(content) <= 5
    for token in content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 3
        assert token.logprob == pytest.approx(max(t.logprob for t in token.top_logprobs), abs=1e-4)


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def test_json_schema_is_enforced(client):
    answer = ask(client, "Invent a person.", max_tokens=200, response_format={
        "type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}})
    assert answer.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(answer.choices[0].message.content), SCHEMA)


def test_a_schema_that_cannot_be_enforced_is_refused(client):
    with pytest.raises(openai.BadRequestError) as error:
        ask(client, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no-such-type"}}})
    assert error.value.body["code"]


TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}, "required": ["city"],
                   "additionalProperties": False}}}]


def test_a_required_tool_call_has_valid_arguments(client):
    answer = ask(client, "What is the weather in Paris?", tools=TOOLS, tool_choice="required", max_tokens=200)
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert "city" in json.loads(call.function.arguments)
    assert answer.choices[0].finish_reason == "tool_calls"


def test_tool_calls_stream_in_pieces(client):
    calls = {}
    for chunk in ask(client, "What is the weather in Rome?", tools=TOOLS, tool_choice="required", max_tokens=200, stream=True):
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"name": "", "arguments": "", "pieces": 0})
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
                call["pieces"] += 1
    assert calls[0]["name"] == "get_weather" and calls[0]["pieces"] > 1
    assert "city" in json.loads(calls[0]["arguments"])


def test_completions(client):
    answer = client.completions.create(model=EMBEDDED, prompt="Once upon a time", max_tokens=8, temperature=0)
    assert answer.choices[0].text
    text = "".join(c.choices[0].text for c in client.completions.create(
        model=EMBEDDED, prompt="Once upon a time", max_tokens=8, temperature=0, stream=True))
    assert text == answer.choices[0].text


def test_embeddings(client):
    answer = client.embeddings.create(model=EMBEDDED, input=["a cat", "a dog", "a cat"])
    a, b, c = (d.embedding for d in answer.data)
    assert len(a) == len(b) == len(c) > 100
    assert sum(x * x for x in a) == pytest.approx(1, abs=1e-3)
    dot = lambda x, y: sum(p * q for p, q in zip(x, y))
    assert dot(a, c) > dot(a, b)


def test_context_overflow_says_the_counts(client):
    with pytest.raises(openai.BadRequestError) as error:
        ask(client, "word " * 20_000)
    assert error.value.body["symbol"] == "context_overflow"
    assert any(ch.isdigit() for ch in error.value.body["message"])


def test_an_unknown_model_is_404_with_the_next_step(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "x"}])
    assert error.value.body["symbol"] == "unknown_model"
    assert error.value.body["next"]
    assert error.value.body["request_id"].startswith("req_")


@pytest.mark.parametrize("field,value", [("temperature", "hot"), ("max_tokens", -3), ("n", 0), ("stop", [1]), ("messages", "hi")])
def test_a_wrong_field_is_400_and_named(client, field, value):
    body = {"model": EMBEDDED, "messages": [{"role": "user", "content": "x"}], field: value}
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/chat/completions", body=body, cast_to=object)
    assert error.value.body["param"] and error.value.body["param"].startswith(field)


def test_cancelling_a_stream_frees_the_replica(client, slipway):
    from conftest import wait_for
    stream = ask(client, "Write a very long story.", max_tokens=2000, stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    wait_for(lambda: all(r["running"] == 0 for r in slipway.workers()), seconds=10)
