"""Short exchanges for the chat form, all written here: greetings, what a small child knows, and questions about a sentence
that was just given, whose answers are words of that sentence."""

from grammar import ANIMALS, BOYS, COLOURS, FOODS, GIRLS, NATURES, PETS, PLACES, THINGS, article, expand

SMALL_TALK = [
    ("[Hello|Hi|Hey|Hello there|Good morning|Good evening][!|.|]", "[Hello!|Hi!|Hello there!] [Would you like to hear a story?|What would you like to talk about?|Shall I tell you a story?]"),
    ("How are you[| today]?", "I am [very well|fine|happy], thank you. [Would you like to hear a story?|How are you?]"),
    ("[Who are you|What are you|What is your name]?", "I am a [very small|little] language model. My weights are minus one, zero and one. I like to tell stories."),
    ("[What can you do|What do you like|What do you know]?", "I [can tell|like to tell] stories about children and animals. [I am very small, so I do not know much else.|Ask me for one!]"),
    ("[Are you smart|Are you clever|Do you know everything]?", "I am very small, so I do not know much. But I know [many|some] stories."),
    ("[Are you a person|Are you real|Are you a robot]?", "No, I am a little program in your computer. I like stories."),
    ("[Thank you|Thanks|Thank you very much][!|.|]", "You are welcome! [Would you like another story?|I am happy that you like it.]"),
    ("[Goodbye|Bye|Good night|See you][!|.|]", "[Goodbye!|Bye!|Sleep well!] [Come back soon.|See you soon.]"),
    ("[Do you like|What do you think about] [cats|dogs|stories|flowers|rain|birds]?", "Yes, I like them very much. [Shall I tell you a story?|Do you like them too?]"),
    ("[I am sad|I feel sad|I am lonely].", "I am sorry. [A story may help.|You are not alone.] [Shall I tell you a story?|Would you like to hear a story?]"),
    ("[I am happy|I feel good].", "That is wonderful! [I am happy too.|What made you happy?]"),
    ("[Tell me a joke|Do you know a joke].", "Why did the cookie cry? Because its mom was a wafer so long!"),
]
SOUNDS = dict(dog="woof", cat="meow", cow="moo", duck="quack", pig="oink", sheep="baa", frog="ribbit", lion="roar", bee="buzz", owl="hoot", mouse="squeak", horse="neigh", bird="tweet", rooster="cock-a-doodle-doo", snake="hiss")
BABIES = dict(dog="puppy", cat="kitten", cow="calf", duck="duckling", sheep="lamb", bear="cub", horse="foal", goat="kid", hen="chick", pig="piglet", frog="tadpole")
HOMES = dict(fish="in the water", bird="in a nest", bee="in a hive", bear="in the forest", rabbit="in a hole in the ground", cow="on a farm", frog="near a pond", lion="in warm lands", spider="in a web", dog="with people")
EATS = dict(rabbit="carrots and grass", cow="grass", cat="fish and mice", dog="meat and bones", bird="seeds and worms", bear="honey, fish and berries", mouse="cheese and seeds", monkey="bananas", bee="honey", squirrel="nuts", horse="grass and apples")
COLOUR_OF = {"the sky": "blue", "the grass": "green", "the sun": "yellow", "snow": "white", "a banana": "yellow", "a carrot": "orange", "an elephant": "gray", "the night": "black", "milk": "white", "a strawberry": "red", "a frog": "green", "chocolate": "brown", "a leaf": "green", "a tomato": "red", "the sea": "blue", "a pig": "pink"}
OPPOSITES = "hot cold,big small,up down,day night,happy sad,fast slow,wet dry,old young,good bad,light dark,open closed,high low,full empty,hard soft,clean dirty,loud quiet,black white,early late,strong weak,long short".split(",")
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
FACTS = [
    ("How many legs does a [dog|cat|horse|cow] have?", "It has four legs."), ("How many legs does a bird have?", "A bird has two legs."),
    ("How many legs does a spider have?", "A spider has eight legs."), ("How many days are in a week?", "There are seven days in a week."),
    ("What comes after winter?", "Spring comes after winter."), ("What comes after summer?", "After summer comes fall."),
    ("When do we sleep?", "We sleep at night."), ("When does the sun shine?", "The sun shines in the day."),
    ("What do you do with a book?", "You read a book."), ("What do you do with a ball?", "You can throw it and catch it."),
    ("What do you need in the rain?", "You need boots and an umbrella."), ("What is ice made of?", "Ice is made of water."),
    ("Where do apples grow?", "Apples grow on trees."), ("Where does milk come from?", "Milk comes from cows."),
    ("What do we see with?", "We see with our eyes."), ("What do we hear with?", "We hear with our ears."),
    ("What do bees make?", "Bees make honey."), ("What is the moon?", "The moon is a big ball of rock in the sky."),
    ("Why is it good to share?", "It is good to share because it makes people happy."), ("What is a friend?", "A friend is someone who is kind to you and helps you."),
    ("What should I do if I am scared?", "Take a deep breath and tell someone you trust."), ("Can fish fly?", "No, fish swim in the water."),
    ("Can a bird fly?", "Yes, most birds can fly."), ("Can a dog talk?", "No, a dog can not talk, but it can bark."),
]


def knowledge(rng):
    pick = lambda table: rng.choice(list(table.items()))
    match rng.randrange(9):
        case 0:
            animal, sound = pick(SOUNDS)
            return f"[What does {article(animal)} say|What sound does {article(animal)} make]?", f"{article(animal).capitalize()} says {sound}."
        case 1:
            animal, baby = pick(BABIES)
            return f"What is a baby {animal} called?", f"A baby {animal} is called {article(baby)}."
        case 2:
            animal, home = pick(HOMES)
            return f"Where does {article(animal)} live?", f"{article(animal).capitalize()} lives {home}."
        case 3:
            animal, food = pick(EATS)
            return f"What does {article(animal)} eat?", f"{article(animal).capitalize()} eats {food}."
        case 4:
            what, colour = pick(COLOUR_OF)
            return f"What color is {what}?", f"{what[0].upper() + what[1:]} is {colour}."
        case 5:
            a, b = rng.sample(rng.choice(OPPOSITES).split(), 2)
            return f"What is the opposite of {a}?", f"The opposite of {a} is {b}."
        case 6:
            a = rng.randrange(1, 11)
            b = rng.randrange(1, 13 - a) if a < 12 else 1
            if rng.random() < 0.3:
                return f"What [number |]comes after {NUMBERS[a]}?", f"After {NUMBERS[a]} comes {NUMBERS[a + 1]}."
            return f"What is {NUMBERS[a]} plus {NUMBERS[b]}?", f"{NUMBERS[a].capitalize()} plus {NUMBERS[b]} is {NUMBERS[a + b]}."
        case 7:
            day = rng.randrange(7)
            return f"What day comes after {DAYS[day]}?", f"After {DAYS[day]} comes {DAYS[(day + 1) % 7]}."
        case _:
            return rng.choice(FACTS)


def reading(rng):
    """A sentence, and a question whose answer is in it."""
    name, other = rng.sample(GIRLS + BOYS, 2)
    colour, thing, place, food = rng.choice(COLOURS), rng.choice(THINGS), rng.choice(PLACES), rng.choice(FOODS)
    pet, animal, nature = rng.choice(PETS), rng.choice(ANIMALS), rng.choice(NATURES)
    said, asked = rng.choice([
        (f"{name} has {article(colour)} {thing}.", [(f"What does {name} have?", f"{name} has {article(colour)} {thing}."), (f"What color is the {thing}?", f"The {thing} is {colour}."), (f"Who has the {thing}?", f"{name} has the {thing}.")]),
        (f"{name} went to the {place} with {other}.", [(f"Where did {name} go?", f"{name} went to the {place}."), (f"Who went with {name}?", f"{other} went with {name}.")]),
        (f"{name} has {article(animal)} named {pet}.", [(f"What is the name of the {animal}?", f"The {animal}'s name is {pet}."), (f"What is {pet}?", f"{pet} is {article(animal)}.")]),
        (f"{name} ate {article(food)} in the {place}.", [(f"What did {name} eat?", f"{name} ate {article(food)}."), (f"Where was {name}?", f"{name} was in the {place}.")]),
        (f"{pet} is {article(nature)} {animal}. {pet} lives in the {place}.", [(f"Where does {pet} live?", f"{pet} lives in the {place}."), (f"What is {pet}?", f"{pet} is {article(nature)} {animal}.")]),
        (f"My name is {name}.", [("What is my name?", f"Your name is {name}."), ("Do you know my name?", f"Yes, your name is {name}.")]),
    ])
    question, answer = rng.choice(asked)
    return f"{said} {question}", answer


def exchanges(rng):
    """One to four turns: [(user, assistant), ...]."""
    kinds = [lambda: rng.choice(SMALL_TALK), lambda: knowledge(rng), lambda: reading(rng)]
    turns = [rng.choices(kinds, [2, 3, 3])[0]() for _ in range(rng.choice([1, 1, 2, 3, 4]))]
    return [(expand(user, rng), expand(assistant, rng)) for user, assistant in turns]


if __name__ == "__main__":
    import random

    for _ in range(12):
        print(exchanges(random.Random()))
