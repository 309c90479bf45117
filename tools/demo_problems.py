"""Worded mathematics problems with worked solutions, for the demo's two mathematics datasets.

Every problem is drawn from a seed and solved exactly; `spoil` turns one into a bad example. The
generator knows no benchmark: its wordings are its own.
"""

import fractions
import math
import random
import re
from collections.abc import Iterator

NAMES = (
    "Amara Boris Chen Dalia Emil Fatima Goran Hana Ivo Jonas Keiko Lucia Mira Nadia "
    "Omar Petra Quentin Rosa Samir Tomas Ulla Vera Wanda Xavier Yusuf Zofia"
).split()
THINGS = (
    "apples stamps marbles notebooks shells cards tickets pencils eggs stickers coins "
    "bricks flowers bottles candles books oranges keys"
).split()
GOODS = ("lamp chair jacket kettle bag radio tent bicycle clock blanket").split()


class Draw:
    """Random choices whose values do not change between versions of Python."""

    def __init__(self, seed: str):
        self._random = random.Random(seed).random

    def number(self, low: int, high: int) -> int:
        return low + int(self._random() * (high - low + 1))

    def one_of(self, options: list):
        return options[int(self._random() * len(options))]

    def two_of(self, options: list) -> tuple:
        first = self.one_of(options)
        second = self.one_of([option for option in options if option != first])
        return first, second

    def shuffled(self, items: list) -> list:
        return [
            item for _, item in sorted(((self._random(), i), item) for i, item in enumerate(items))
        ]


# A problem is (question, solution steps, answer).
Problem = tuple[str, list[str], str]


def story(d: Draw) -> Problem:
    (name, friend), things = d.two_of(NAMES), d.one_of(THINGS)
    have = d.number(6, 60)
    events, steps = [f"{name} has {have} {things}."], [f"At the start there are {have} {things}."]
    for _ in range(d.number(2, 4)):
        kind, k = d.number(0, 5), d.number(2, 30)
        if kind == 0:
            events.append(f"{name} buys {k} more.")
            steps.append(f"Buying {k} more makes {have} + {k} = {have + k}.")
            have += k
        elif kind == 1 and k < have:
            events.append(f"Then {name} gives {k} of them to {friend}.")
            steps.append(f"Giving {k} away leaves {have} - {k} = {have - k}.")
            have -= k
        elif kind == 2 and have % 2 == 0 and have > 4:
            events.append(f"Half of the {things} are lost on the way.")
            steps.append(f"Losing half leaves {have} / 2 = {have // 2}.")
            have //= 2
        elif kind == 3 and have < 120:
            factor = d.number(2, 4)
            times = {2: "twice", 3: "three times", 4: "four times"}[factor]
            events.append(f"A month later {name} has {times} as many.")
            steps.append(f"There are now {factor} * {have} = {factor * have} {things}.")
            have *= factor
        elif kind == 4:
            per, people = d.number(2, 9), d.number(2, 6)
            events.append(f"Each of {people} neighbours brings {per} {things}.")
            steps.append(
                f"The neighbours bring {people} * {per} = {people * per}, so there are "
                f"{have} + {people * per} = {have + people * per}."
            )
            have += people * per
        else:
            share = [n for n in (2, 3, 4, 5, 6) if have % n == 0]
            if share:
                n = d.one_of(share)
                events.append(
                    f"The {things} are put into {n} equal boxes, and {name} keeps one box."
                )
                steps.append(f"One box holds {have} / {n} = {have // n} {things}.")
                have //= n
    question = " ".join(events) + f" How many {things} does {name} have in the end?"
    return question, steps, str(have)


def shopping(d: Draw) -> Problem:
    name, (first, second) = d.one_of(NAMES), d.two_of(GOODS)
    a, b, m, n = d.number(3, 40), d.number(3, 40), d.number(1, 6), d.number(1, 6)
    total = a * m + b * n
    paid = (total // 50 + 1) * 50
    return (
        f"A {first} costs ${a} and a {second} costs ${b}. {name} orders {m} of the first and {n} of the "
        f"second and pays with ${paid}. How much change does {name} get?",
        [
            f"The first order costs {m} * {a} = {m * a} dollars.",
            f"The second order costs {n} * {b} = {n * b} dollars.",
            f"Together that is {m * a} + {n * b} = {total} dollars.",
            f"The change is {paid} - {total} = {paid - total} dollars.",
        ],
        str(paid - total),
    )


def travel(d: Draw) -> Problem:
    name, speed, hours, speed2, hours2 = (
        d.one_of(NAMES),
        d.number(3, 18) * 5,
        d.number(2, 6),
        d.number(3, 18) * 5,
        d.number(2, 6),
    )
    far = speed * hours + speed2 * hours2
    return (
        f"{name} drives for {hours} hours at {speed} kilometers per hour and then for {hours2} hours at "
        f"{speed2} kilometers per hour. How many kilometers is the whole trip?",
        [
            f"The first part is {hours} * {speed} = {hours * speed} kilometers long.",
            f"The second part is {hours2} * {speed2} = {hours2 * speed2} kilometers long.",
            f"The trip is {hours * speed} + {hours2 * speed2} = {far} kilometers long.",
        ],
        str(far),
    )


def wages(d: Draw) -> Problem:
    name, rate, hours, days = d.one_of(NAMES), d.number(8, 30), d.number(2, 9), d.number(2, 6)
    spent = d.number(5, rate * hours)
    week = rate * hours * days
    return (
        f"{name} earns ${rate} an hour and works {hours} hours a day on {days} days a week. Every week "
        f"{name} spends ${spent} on travel. How much is left of a week's pay?",
        [
            f"In a day {name} earns {rate} * {hours} = {rate * hours} dollars.",
            f"In a week that is {rate * hours} * {days} = {week} dollars.",
            f"After paying for travel {week} - {spent} = {week - spent} dollars are left.",
        ],
        str(week - spent),
    )


def discount(d: Draw) -> Problem:
    good, price, percent = d.one_of(GOODS), d.number(2, 30) * 20, d.number(1, 15) * 5
    off = price * percent // 100
    return (
        f"The price of a {good} is ${price}. In the sale it is {percent}% cheaper. What does it cost then?",
        [
            f"The discount is {percent}% of {price}, which is {price} * {percent} / 100 = {off} dollars.",
            f"The new price is {price} - {off} = {price - off} dollars.",
        ],
        str(price - off),
    )


def ages(d: Draw) -> Problem:
    older, younger = d.two_of(NAMES)
    gap, young, later = d.number(2, 20), d.number(3, 30), d.number(2, 12)
    total = 2 * young + gap
    return (
        f"{older} is {gap} years older than {younger}. Together they are {total} years old. How old will "
        f"{older} be in {later} years?",
        [
            f"Let {younger} be $x$ years old. Then $x + (x + {gap}) = {total}$.",
            f"So $2x = {total} - {gap} = {2 * young}$ and $x = {young}$.",
            f"{older} is {young} + {gap} = {young + gap} years old.",
            f"In {later} years that will be {young + gap} + {later} = {young + gap + later}.",
        ],
        str(young + gap + later),
    )


def linear_equation(d: Draw) -> Problem:
    x, a, c, b = d.number(-12, 12), d.number(4, 12), d.number(1, 3), d.number(1, 40)
    right = (a - c) * x + b
    return (
        f"Solve for $x$: ${a}x + {b} = {c}x {'+' if right >= 0 else '-'} {abs(right)}$.",
        [
            f"Subtracting ${c}x$ from both sides gives ${a - c}x + {b} = {right}$.",
            f"Subtracting ${b}$ gives ${a - c}x = {right - b}$.",
            f"Dividing by ${a - c}$ gives $x = {x}$.",
        ],
        f"$\\boxed{{{x}}}$",
    )


def quadratic(d: Draw) -> Problem:
    p = d.number(1, 9)
    q = p + d.number(1, 9)
    return (
        f"What are the solutions of $x^2 - {p + q}x + {p * q} = 0$?",
        [
            f"We look for two numbers with sum ${p + q}$ and product ${p * q}$; these are ${p}$ and ${q}$.",
            f"Therefore $x^2 - {p + q}x + {p * q} = (x - {p})(x - {q})$.",
            f"A product is zero when one factor is zero, so $x = {p}$ or $x = {q}$.",
        ],
        f"$\\boxed{{{p}, {q}}}$",
    )


def fraction_sum(d: Draw) -> Problem:
    a, b, c, e = d.number(1, 9), d.number(2, 12), d.number(1, 9), d.number(2, 12)
    common, value = math.lcm(b, e), fractions.Fraction(a, b) + fractions.Fraction(c, e)
    left, right = a * common // b, c * common // e
    result = (
        f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
        if value.denominator > 1
        else str(value)
    )
    return (
        f"Compute $\\frac{{{a}}}{{{b}}} + \\frac{{{c}}}{{{e}}}$ and simplify.",
        [
            f"The least common denominator of ${b}$ and ${e}$ is ${common}$.",
            f"We have $\\frac{{{a}}}{{{b}}} = \\frac{{{left}}}{{{common}}}$ and "
            f"$\\frac{{{c}}}{{{e}}} = \\frac{{{right}}}{{{common}}}$.",
            f"The sum is $\\frac{{{left + right}}}{{{common}}} = {result}$.",
        ],
        f"$\\boxed{{{result}}}$",
    )


def common_divisor(d: Draw) -> Problem:
    g, a, b = d.number(2, 30), d.number(2, 20), d.number(2, 20)
    m, n = max(g * a, g * b), min(g * a, g * b)
    steps, x, y = [], m, n
    while y:
        steps.append(f"${x} = {x // y} \\cdot {y} + {x % y}$.")
        x, y = y, x % y
    steps.append(f"The last remainder that is not zero is ${x}$.")
    return (
        f"Find the greatest common divisor of ${m}$ and ${n}$.",
        ["We divide with remainder until nothing is left."] + steps,
        f"$\\boxed{{{x}}}$",
    )


def remainder(d: Draw) -> Problem:
    base, power, modulus = d.number(2, 9), d.number(3, 7), d.number(5, 13)
    steps, value = [], 1
    for i in range(1, power + 1):
        steps.append(
            f"${base}^{i} \\equiv {value * base} \\equiv {value * base % modulus} \\pmod{{{modulus}}}$."
        )
        value = value * base % modulus
    return (
        f"What is the remainder when ${base}^{power}$ is divided by ${modulus}$?",
        ["We multiply step by step and keep only remainders."] + steps,
        f"$\\boxed{{{value}}}$",
    )


def rectangle(d: Draw) -> Problem:
    w, h = d.number(3, 40), d.number(3, 40)
    return (
        f"A rectangular garden is {w} meters long and has an area of {w * h} square meters. "
        "What is its perimeter?",
        [
            f"The width is {w * h} / {w} = {h} meters.",
            f"Half of the perimeter is {w} + {h} = {w + h} meters.",
            f"The perimeter is 2 * {w + h} = {2 * (w + h)} meters.",
        ],
        str(2 * (w + h)),
    )


def right_triangle(d: Draw) -> Problem:
    m, k = d.number(2, 7), d.number(1, 6)
    n = d.number(1, m - 1)
    a, b, c = k * (m * m - n * n), k * 2 * m * n, k * (m * m + n * n)
    return (
        f"The legs of a right triangle have lengths ${a}$ and ${b}$. How long is the hypotenuse?",
        [
            f"By the Pythagorean theorem $c^2 = {a}^2 + {b}^2 = {a * a} + {b * b} = {c * c}$.",
            f"Since $c > 0$, $c = \\sqrt{{{c * c}}} = {c}$.",
        ],
        f"$\\boxed{{{c}}}$",
    )


def mean(d: Draw) -> Problem:
    n = d.number(3, 6)
    values = [d.number(2, 40) for _ in range(n - 1)]
    values.append(n * d.number(40, 60) - sum(values))
    shown = ", ".join(map(str, values[:-1])) + f" and {values[-1]}"
    total = sum(values)
    return (
        f"What is the mean of {shown}?",
        [
            f"The sum is {' + '.join(map(str, values))} = {total}.",
            f"There are {n} numbers, so the mean is {total} / {n} = {total // n}.",
        ],
        str(total // n),
    )


def sequence(d: Draw) -> Problem:
    a, step, n = d.number(1, 20), d.number(2, 12), d.number(8, 40)
    last = a + (n - 1) * step
    return (
        f"An arithmetic sequence begins ${a}, {a + step}, {a + 2 * step}, \\ldots$ "
        f"What is the sum of its first ${n}$ terms?",
        [
            f"The common difference is ${step}$, so the last term is ${a} + {n - 1} \\cdot {step} = {last}$.",
            f"The sum is $\\frac{{{n}({a} + {last})}}{{2}} = {n * (a + last) // 2}$.",
        ],
        f"$\\boxed{{{n * (a + last) // 2}}}$",
    )


def marbles(d: Draw) -> Problem:
    red, blue, green = d.number(1, 9), d.number(1, 9), d.number(1, 9)
    total, value = red + blue + green, fractions.Fraction(red, red + blue + green)
    result = f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
    return (
        f"A bag holds {red} red, {blue} blue and {green} green marbles. One is drawn at random. "
        "What is the probability that it is red?",
        [
            f"There are {red} + {blue} + {green} = {total} marbles, all equally likely.",
            (
                f"Of these {red} are red, so the probability is $\\frac{{{red}}}{{{total}}} = {result}$."
                if math.gcd(red, total) > 1
                else f"Of these {red} are red, so the probability is ${result}$."
            ),
        ],
        f"$\\boxed{{{result}}}$",
    )


def choices(d: Draw) -> Problem:
    n, name = d.number(5, 12), d.one_of(NAMES)
    k = d.number(2, 3)
    top = " \\cdot ".join(str(n - i) for i in range(k))
    below = " \\cdot ".join(str(k - i) for i in range(k))
    return (
        f"In how many ways can {name} choose {k} of {n} books to take on a journey?",
        [
            "The order of the books does not matter.",
            f"The number of ways is $\\binom{{{n}}}{{{k}}} = \\frac{{{top}}}{{{below}}} = {math.comb(n, k)}$.",
        ],
        f"$\\boxed{{{math.comb(n, k)}}}$",
    )


KINDS = [
    story,
    story,
    story,
    story,
    shopping,
    travel,
    wages,
    discount,
    ages,
    linear_equation,
    quadratic,
    fraction_sum,
    common_divisor,
    remainder,
    rectangle,
    right_triangle,
    mean,
    sequence,
    marbles,
    choices,
]


def text_of(problem: Problem) -> str:
    question, steps, answer = problem
    return f"Problem: {question}\nSolution: {' '.join(steps)}\nThe answer is {answer}."


def spoil(problem: Problem, d: Draw) -> str:
    """The text of `problem` badly solved: numbers of the solution changed, its steps out of order."""
    question, steps, answer = problem

    def wrong(match: re.Match) -> str:
        return str(int(match[0]) + d.number(0, 30)) if d.number(0, 2) else match[0]

    steps = d.shuffled([re.sub(r"\d+", wrong, step) for step in steps])
    return f"Problem: {question}\nSolution: {' '.join(steps)}\nThe answer is {re.sub(r'[0-9]+', wrong, answer)}."


def problems(seed: str, bytes_wanted: int, spoilt: bool) -> Iterator[str]:
    """Texts of at least `bytes_wanted` bytes together, four problems in each."""
    d = Draw(seed)
    written = 0
    while written < bytes_wanted:
        drawn = [d.one_of(KINDS)(d) for _ in range(4)]
        text = "\n\n".join(spoil(p, d) if spoilt else text_of(p) for p in drawn)
        written += len(text.encode())
        yield text
