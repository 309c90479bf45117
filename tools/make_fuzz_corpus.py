"""Writes the hand-made seeds of tests/data/fuzz: one small file for each rule of the formats.

    python tools/make_fuzz_corpus.py

A sample of what the fuzzer found to reach further code lies beside them, under names of forty digits, and
is not touched.
"""

import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).parents[1] / "tests/data/fuzz"


def file(header, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype: str, shape: list, begin, end) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


ONE = {"a": tensor("F32", [2], 0, 8)}
SAFETENSORS = {
    "whole": file({"__metadata__": {"format": "pt"}, "a": tensor("F32", [1, 2], 0, 8),
                   "b.c": tensor("BF16", [], 8, 10), "e": tensor("F16", [0, 3], 10, 10)}, bytes(10)),
    "padded": file(json.dumps(ONE).encode() + b"    ", bytes(8)),
    "bits": file({"a": tensor("F4", [2, 3], 0, 3), "b": tensor("F6_E2M3", [4], 3, 6)}, bytes(6)),
    "no_tensors": file({}),
    "truncated_data": file(ONE, bytes(7)),
    "truncated_header": file(ONE)[:20],
    "truncated_length": b"\x10\0\0",
    "long_data": file(ONE, bytes(9)),
    "huge_length": file(ONE, bytes(8), 2**64 - 1),
    "long_length": file(ONE, bytes(8), 100_000_000),
    "overlap": file({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 3, 7)}, bytes(7)),
    "gap": file({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 5, 9)}, bytes(9)),
    "inside": file({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [0], 2, 2)}, bytes(4)),
    "backwards": file({"a": tensor("F32", [2], 8, 0)}, bytes(8)),
    "product_wraps": file({"a": tensor("F32", [2**62], 0, 0)}),
    "product_wraps_twice": file({"a": tensor("U8", [2**32, 2**32], 0, 0)}),
    "offset_2_64": file({"a": tensor("U8", [1], 0, 2**64)}, bytes(1)),
    "negative": file({"a": tensor("U8", [-1], 0, 1)}, bytes(1)),
    "fraction": file(b'{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}', bytes(1)),
    "unknown_dtype": file({"a": tensor("F33", [1], 0, 4)}, bytes(4)),
    "unknown_field": file({"a": {**tensor("U8", [1], 0, 1), "x": 1}}, bytes(1)),
    "key_twice": file(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                      b'"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', bytes(1)),
    "metadata_number": file({"__metadata__": {"format": 1}}),
    "deep": file(b'{"a":' + b"[" * 200),
    "many_sizes": file({"a": tensor("U8", [1] * 65, 0, 1)}, bytes(1)),
    "zero_byte": file(b"{}\0", b""),
    "bad_utf8": file(b'{"a\xff":{}}'),
    "escapes": file(b'{"\\u001b[2J\\ud83d\\ude00":1}'),
}
INDEX = {
    "whole": {"metadata": {"total_size": 8}, "weight_map": {"a": "1.safetensors", "b": "2"}},
    "leads_out": {"weight_map": {"a": "../../etc/passwd"}},
    "no_map": {"metadata": {"weight_map": {"a": "b"}}},
    "list": {"weight_map": ["a"]},
    "number": {"weight_map": {"a": 1}},
    "twice": b'{"weight_map":{"a":"b","a":"c"}}',
    "map_twice": b'{"weight_map":{},"weight_map":{}}',
    "deep": b'{"x":' + b"[" * 200,
    "nul": {"weight_map": {"a": "b\0"}},
}

OURS = """domain: math
data: [x_test, x]
id: "{id}"
context: "Q: {question}\\nA:"
"""
HARNESS = """task: x
dataset_path: a/x
test_split: test
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
"""
TASK_FILE = {
    "ours_choices": OURS + """choices: ["{choices.text}"]
gold: "{answerKey}"
labels: ["{choices.label}"]
choice_transforms: [strip, "before:_"]
keep: {year: [1, 5]}
members: [a, b]
average: members
metrics: [acc, choice_prob]
primary_metric: choice_prob
""",
    "ours_partial": OURS.replace("context: ", "context:\n  - \"{a}\"\n  - ") + """answer: "{rest}"
gold: "{n}"
metrics: [acc]
primary_metric: acc
""",
    "ours_generation": OURS + """answer: "{answer|after_last:####|strip}"
delimiter: ""
fewshot: {number: 2, data: [x_train], sampler: first_n, delimiter: "\\n"}
generation:
  {judge: gsm8k, stops: ["Q:"], max_tokens: 1e2, answers: 2, temperature: 0.5, top_p: 0.9, reference: "{answer}"}
metrics: [bpb, exact_match, "pass@2"]
primary_metric: bpb
""",
    "ours_examples": OURS + """answer: x
fewshot: {number: 1, examples: [{question: a, answer: [b, {c: d}]}]}
metrics: [bpb]
primary_metric: bpb
""",
    "harness_choices": HARNESS + """output_type: multiple_choice
doc_to_choice: ["a", 'b']
description: "About {{topic}}.\\n\\n"
target_delimiter: ""
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - {metric: acc_norm}
""",
    "harness_computed": HARNESS + """output_type: multiple_choice
doc_to_choice: "{{[a, b]}}"
training_split: train
fewshot_split: train
num_fewshot: 3
fewshot_config: {sampler: first_n, doc_to_text: question, target_delimiter: ": "}
""",
    "harness_generation": HARNESS + r"""output_type: generate_until
generation_kwargs: {until: ["\n\n", "Q:"], do_sample: false, temperature: 0.0, max_gen_toks: 32, num_beams: 1}
filter_list:
  - name: strict-match
    filter:
      - {function: regex, regex_pattern: '(-?[$0-9.,]{2,})|(-?[0-9]+)', group_select: -1, fallback: none}
      - {function: take_first}
  - name: none
    filter: [{function: lowercase}, {function: remove_whitespace}, {function: take_first}]
metric_list:
  - metric: exact_match
    ignore_case: true
    ignore_punctuation: yes
    regexes_to_ignore: [",", "(?s).*#### "]
repeats: 1
""",
    "harness_rolling": HARNESS + """output_type: loglikelihood_rolling
metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]
""",
    "harness_samples": HARNESS + """output_type: loglikelihood
fewshot_config:
  sampler: first_n
  samples: &rows [{question: a, answer: 1, list: [1.5, yes, null, '3']}]
  split: null
metadata: *rows
gen_prefix: "{{x}}"
""",
    "include": "include: 9\n" + HARNESS,
    "function": HARNESS + "process_docs: !function utils.x\n",
    "function_text": HARNESS.replace('"{{question}}"', "!function utils.x"),
    "alias_of_itself": HARNESS + "fewshot_config: {samples: &a [*a]}\n",
    "aliases": "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 8)}]\n" for a, b in zip("abcdefgh", "bcdefghi")),
    "deep": "data: " + "[" * 200,
    "control": OURS + '"a\\e[2Jb": 1\n',
    "long_key": "a" * 2000 + ": 1\n",
    "twice": "domain: a\ndomain: b\n",
    "dates": HARNESS + "fewshot_config: {samples: [{a: 2020-01-01, b: 012, c: 1_0, d: .5e3, e: 0x1F}]}\n",
}
JINJA = {
    "fields": "Q: {{question}}\nA: {{ choices.text[0] }} {{choices['label'][-1]}}",
    "filters": "{{question|trim|upper|replace('A', 'b')|capitalize}} {{options|join(', ')}} {{score|int + number|float}}",
    "loop": "{% for a in options if a -%}{{loop.index}}. {{a}}{{ '' if loop.last else '\n' }}{% else %}none{%- endfor %}",
    "pairs": "{% for k, v in choices.items() %}{{k ~ ': ' ~ v}}{% endfor %}",
    "condition": "{% if score < 0 and not none is none or right %}a{% elif x is defined %}b{% else %}c{% endif %}",
    "inline": "{{ 'a' if answer == 1 else options[1:] }}{{ {'a': [1, 2.5, none]}['a']|length }}",
    "set": "{% set n = answer + 1 %}{{ options[:n] }}{{ n ** 2 // 3 % 2 - -n / 1 }}",
    "methods": "{{question.split('?')[0].strip().lower()}} {{'a,b'.rsplit(',', 1)}} {{choices.get('x', 'y')}} {{question.splitlines()|list}}",
    "regex": "{{question|regex_replace('[aeiou]+(?=\\\\s)', '')}}",
    "slices": "{{question[2:5]}}{{options[-2:]|map('upper')|list}}{{items|map(attribute=0)|list}}",
    "comment": "a{#- x -#} b{{ \"\\\\x41\\\\u00fc\" 'c' }}",
    "index": "{{ ['A','B'].index('B') }}{{ 'abc'.find('c') }}{{ options.count('') }}{{ 2 in [1, 2] }}{{ 'a' not in 'b' }}",
    "undefined": "{{ nothing|default('x') }}{{ missing }}",
    "doubling": "{% set a = [1] %}" + "{% set a = a + a %}" * 4 + "{{a}}",
    "loops": "{% for x in range(3) %}{% for y in range(x, 9, 4) %}{{ y }}{% endfor %}{% endfor %}",
    "chain": "{{" + "+".join("1" * 1500) + "}}",
    "deep": "{{" + "(" * 100,
    "unclosed": "{% if a %}{{",
    "large": "{{ 99999999999.0 ** 3 | int }}{{ (1e + 2)|int }}{{ large + 1 }}{{ large|float|int }}",
    "attribute": "{{ items|map(attribute='99999999999999999999')|list }}",
}
REGEX = {
    "gsm8k": r"#### (\-?[0-9\.\,]+)" + "\nSo 1 + 2 = 3.\n#### 3",
    "flexible": r"(-?[$0-9.,]{2,})|(-?[0-9]+)" + "\n$1,000 or -5 and 7.",
    "answer": r"(?i)answer is (?:\()?([A-D])\b" + "\nThe Answer is (c).",
    "ignored": r"(?s).*#### " + "\na\nb#### 5",
    "classes": r"[^\W\d_]+|[\]a-f\\-]{1,3}?|\x41\u00e9\101" + "\nabc ]-f é A",
    "looks": r"(?<=\$)\d+(?!%)|(?<!a)b(?=c)" + "\n$5 6% bc abc",
    "anchors": r"(?m)^\w+$|\A.|.\Z|\Ba\B" + "\nab\ncd\n",
    "named": r"(?P<x>a+?)(?:b|)*c??" + "\naabbc",
    "case": "(?i)[k-s\u017f]\nK\u212a\u017f",
    "catastrophic": r"(a+)+$" + "\n" + "a" * 50 + "!",
    "catastrophic_choice": r"(?:a|aa|a*)*b" + "\n" + "a" * 50,
    "catastrophic_empty": r"(?:(?:a?)*)*b" + "\n" + "a" * 50,
    "catastrophic_looks": r"(?=(?:a|b)*c)*(?:.*x)" + "\n" + "ab" * 50,
    "repetitions": r"(?:(?:a{1000}){1000}){1000}" + "\na",
    "optional": r"(?:a?){30}a{30}" + "\n" + "a" * 30,
    "folded": r"(?i)[\0-\u04ff]x" + "\nabc",
    "folded_often": r"(?i)[\0-\u02ff]{99}" + "\nabc",
    "refused": r"(a)\1" + "\naa",
    "atomic": r"(?>a)b++" + "\nab",
    "open": "(a[b\na",
}
ANSWER = {
    "gsm8k": "18\nShe makes 9 * 2 = $<<9*2=18>>18 dollars.\n#### 18",
    "gsm8k_commas": "1,000\n#### $1,000.00.",
    "math": r"\frac{1}{2}" + "\n" + r"Final Answer: The final answer is $\frac12$. I hope it is correct.",
    "boxed": r"x=5" + "\n" + r"so \boxed{5\text{ cm}} or \boxed 5$",
    "roots": r"2\sqrt{3}" + "\n" + r"\boxed{\sqrt{12}}",
    "root_index": r"\sqrt[3]{8}" + "\n" + r"\sqrt[3]8",
    "tuple": r"(1,-\frac{3}{2})" + "\n" + r"\boxed{\left(1,-1.5\right)}",
    "interval": r"(-\infty,2]\cup[3,\infty)" + "\n" + r"\boxed{[3,\infty)\cup(-\infty,2]}",
    "set": r"\{1,2,\pm3\}" + "\n" + r"\boxed{\{-3,3,2,1\}}",
    "matrix": r"\begin{pmatrix}1&2\\3&4\end{pmatrix}" + "\n" + r"\boxed{\begin{bmatrix}1&2\\3&4\end{bmatrix}}",
    "chain": "2<x\\le5\n\\boxed{5\\ge x>2}",
    "functions": r"\sin^2 x+\log_2 8!" + "\n" + r"\boxed{\cos(3)\cdot|{-2}|^{\pi}}",
    "floor": r"\lfloor 3.5\rfloor" + "\n" + r"\boxed{\binom{4}{2}-\lceil2.1\rceil}",
    "units": "5\\text{ cm}\n\\boxed{5 liters}",
    "mixed": r"1\frac{1}{2}" + "\n" + r"\boxed{1.5}",
    "powers": "9^{9^{9^9}}\n\\boxed{999999999!^{99999}}",
    "deep": "(" * 300 + "\n\\boxed{" + "{" * 300,
    "nested": "((((1,2),(1,2)),((1,2),(1,2))),1)\n\\boxed{((((1,2),(1,2)),((1,2),(1,3))),1)}",
    "long": "1," * 400 + "\n\\boxed{" + "2," * 400 + "}",
    "unicode": "é\n\\boxed{\u0130\u2212}",
}
TEXTS = {"task_file": TASK_FILE, "jinja": JINJA, "regex": REGEX, "answer": ANSWER}


def main() -> None:
    for target, texts in TEXTS.items():
        for name, text in texts.items():
            (ROOT / target / name).write_text(text)
    for name, content in SAFETENSORS.items():
        (ROOT / "safetensors" / name).write_bytes(content)
    for name, content in INDEX.items():
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (ROOT / "index" / name).write_bytes(text)


if __name__ == "__main__":
    main()
