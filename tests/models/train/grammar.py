"""Small stories with a plot that holds, written by a grammar of our own.

The corpora that reach this project are either few (TinyStories slices) or ramble (stories by a smaller model). These stories
are neither great nor many-sided, but who wants what, where things are and how it ends stays true from the first sentence to
the last, and that is what a model of a few million weights does not pick up from rambling text.

A plot is a list of paragraphs; `[a|b]` is a choice, `{name}` a slot. `story(rng)` gives a request, the story, and questions
about it with their answers.
"""

import random
import re

GIRLS = "Lily Mia Anna Sue Lucy Amy Sara Ella Rosie Emma Daisy Nina Jane Molly Zoe Ruby Clara Ivy Nora Tess".split()
BOYS = "Tim Tom Ben Sam Max Jack Bob Leo Joe Billy Fred Finn Noah Oscar Paul Peter Hugo Theo Adam Will".split()
PETS = "Spot Buddy Whiskers Mittens Coco Pip Dot Bella Rex Biscuit Pepper Hazel Momo Toby Fluffy Ginger Bubbles Sunny Nibbles Patch".split()
ANIMALS = "dog cat rabbit bear mouse frog fox duck bird pig squirrel hedgehog turtle fish pony owl bee snail goat lion".split()
THINGS = "ball kite hat boat drum doll book lamp key shell scarf blanket basket truck bell flute balloon cup mitten ring".split()
COLOURS = "red blue green yellow orange purple white brown pink golden".split()
PLACES = "park forest garden meadow village farm yard valley".split()  # one can be in, near and go to each
FOODS = "apple cake pear cookie carrot pie plum berry bun nut".split()
NATURES = "little kind brave shy clever happy curious gentle lonely cheerful".split()
LESSONS = {
    "share": ["It is good to share.", "Things are more fun when you share them.", "A friend is better than a toy."],
    "brave": ["You can be scared and brave at the same time.", "Being brave means trying even when you are scared."],
    "truth": ["It is always best to tell the truth.", "The truth makes your heart feel light."],
    "help": ["When you help others, they will help you too.", "It is okay to ask for help."],
    "patience": ["Good things take time.", "If you wait and work, good things come."],
    "careful": ["It is good to be careful.", "It is smart to listen."],
    "kind": ["Being kind makes new friends.", "A kind word can change a day."],
    "try": ["If you keep trying, you get better.", "You do not have to be good at something the first time."],
}

# Who may be the hero of a plot, what it teaches, its paragraphs.
PLOTS = {
    "lost thing": ("any", "help", [
        "{opening} {Hero} had a {colour} {thing}. [{He} loved the {thing} very much.|It was {his} favorite thing in the world.] [{He} took it everywhere.|{He} played with it every day.]",
        "One day, {hero} went to the {place} with the {thing}. {He} [ran and jumped|played for a long time|looked at the flowers], and when {he} stopped, the {thing} was gone! [{He} felt very sad.|{He} began to cry.] \"[Oh no|Oh dear]! Where is my {thing}?\" {he} said.",
        "{Friend} the {friend_kind} [heard {him}|came by]. \"[Why are you sad|What is wrong], {hero}?\" asked {friend}. \"I lost my {colour} {thing},\" said {hero}. \"[Do not worry|Do not be sad]. I will help you look,\" said {friend}.",
        "They looked [under the bench|behind a big rock] and [near the water|in the tall grass]. At last, {friend} looked {spot}. \"Here it is!\" {friend} [said|called]. The {colour} {thing} was {spot}!",
        "{Hero} [hugged {friend}|jumped up and down]. \"Thank you, {friend}! You are a good friend,\" {he} said. They played with the {thing} until the sun went down. [{lesson}|From that day on, {hero} and {friend} were best friends.]",
    ]),
    "sharing": ("any", "share", [
        "{opening} One morning, {hero} got a {colour} {thing} from {his} {parent}. [It was new and shiny.|{He} was so happy.] {He} wanted to keep it all for {him}self.",
        "{Hero} took the {thing} to the {place}. {Friend} the {friend_kind} was there. \"What a nice {thing}! Can I play with it too?\" asked {friend}. \"No,\" said {hero}. \"It is mine.\" {Friend} [walked away and was sad|looked down and said nothing].",
        "{Hero} played alone. [But it was not much fun.|After a while, it was boring.] {He} looked at {friend}, who sat under a tree all alone. {Hero} felt [bad|sorry]. {He} went to {friend} and said, \"I am sorry. [Let us play together|We can share the {thing}].\"",
        "{Friend} smiled. They took turns with the {colour} {thing}. They [laughed and laughed|had so much fun]. \"This is much better,\" said {hero}.",
        "When {hero} came home, {he} told {his} {parent} about {his} day. \"I am proud of you,\" said {parent}. [{lesson}|{Hero} learned something that day. {lesson}]",
    ]),
    "stuck friend": ("any", "brave", [
        "{opening} {Hero} liked to walk in the {place}. [{He} liked the trees and the sun.|{He} went there every day.]",
        "One day, {hero} heard a small voice. \"Help! Help!\" it said. {Hero} looked up. {Friend} the {friend_kind} was [stuck in a tree|stuck on a high rock] and could not get down. {Friend} was very scared.",
        "{Hero} was scared too. It was very high. But {he} wanted to help. {He} [took a deep breath|thought for a moment]. \"[Hold on|Do not move], {friend}! I am coming,\" {he} said.",
        "{Hero} went up slowly, one step at a time. {He} did not look down. Then {he} held out {his} [hand|arm], and {friend} held on tight. Together they came down, [slowly and carefully|step by step].",
        "\"Thank you! You are so brave,\" said {friend}. \"I was scared too,\" said {hero}, \"but you needed me.\" [They sat in the sun and ate {a food}.|They went home together and ate {a food}.] {lesson}",
    ]),
    "broken cup": ("child", "truth", [
        "{opening} {Hero} lived in a small house with {his} {parent}. [{He} liked to dance.|{He} liked to run in the house.]",
        "One day, {hero} was playing inside with a ball. \"Please do not play with the ball in the house,\" said {parent}. But when {parent} went out, {hero} played with the ball again. Crash! The ball hit the {colour} {vessel}, and it broke.",
        "{Hero} was afraid. {He} hid the pieces under the bed. When {parent} came back, {parent} asked, \"Where is my {colour} {vessel}?\" {Hero} wanted to say, \"I do not know.\" But {his} tummy hurt, and {he} felt bad.",
        "\"I broke it,\" {hero} said. \"I played with the ball. I am very sorry.\" {Parent} was quiet. Then {parent} gave {him} a hug. \"Thank you for telling me the truth,\" said {parent}.",
        "They cleaned up together, and {hero} helped to [make a new one out of clay|pick a new one at the shop]. {Hero} felt much better. {lesson}",
    ]),
    "seed": ("any", "patience", [
        "{opening} One day in spring, {hero} found a little seed in the {place}. \"What will it be?\" {he} asked. {He} took it home and put it in the ground.",
        "The next day, {hero} looked. Nothing was there. [{He} gave it some water.|{He} sang a song to it.] The day after, {he} looked again. Still nothing! {Hero} was sad. \"It will never grow,\" {he} said.",
        "\"Wait a little,\" said {friend} the {friend_kind}. \"A seed needs water, sun and time.\" So {hero} waited. Every morning {he} gave it water, and every day the sun was warm.",
        "Then, one morning, there was a tiny green leaf! {Hero} [danced with joy|clapped and jumped]. \"{Friend}, come and see!\" {he} called. The plant grew and grew, until it had a big {colour} flower.",
        "{Hero} and {friend} sat next to the flower and smiled. \"You were right,\" said {hero}. {lesson}",
    ]),
    "cold winter": ("animal", "help", [
        "{opening} It was winter, and there was snow in the {place}. [{Hero} had a warm home.|{Hero} had a warm bed and a pot of soup.]",
        "One cold night, there was a knock at the door. Knock, knock! It was {friend} the {friend_kind}. \"My home is broken, and I am so cold,\" said {friend}. \"May I come in?\"",
        "{Hero}'s home was very small. But {he} said, \"Come in, come in! There is room for two.\" {He} gave {friend} a {colour} blanket and a warm [bowl of soup|cup of tea]. {Friend} stopped shaking and smiled.",
        "When the snow was gone, {hero} helped {friend} build a new home. They worked all day. [{Hero} carried the wood, and {friend} built the walls.|They made a door, a roof and a little window.]",
        "Now they live next to each other. Every night, {friend} brings {a food}, and they eat it together. {lesson}",
    ]),
    "learning": ("any", "try", [
        "{opening} {Hero} wanted to learn to {skill}. [All {his} friends could do it.|{He} had seen {friend} do it.] But {hero} did not know how.",
        "{He} tried, but {he} fell down. Bump! {He} tried again and fell again. \"I can not do it,\" said {hero}. \"I will never learn to {skill}.\"",
        "{Friend} the {friend_kind} sat down next to {him}. \"I fell down many times too,\" said {friend}. \"[Let me show you|We can do it together]. Try it slowly.\" So {hero} got up and tried once more.",
        "Every day they went to the {place}. Every day {hero} got a little better. And then, one sunny day, {he} did it! \"Look! Look at me!\" {hero} called. \"I can {skill}!\"",
        "{Friend} clapped and cheered. {Hero} was so proud. {He} said, \"Thank you for helping me.\" {lesson}",
    ]),
    "new friend": ("any", "kind", [
        "{opening} {Hero} had [no one to play with|just moved to a new home]. {He} felt lonely.",
        "One day, {hero} saw {friend} the {friend_kind} in the {place}. {Friend} was sitting alone with a {colour} {thing}. {Hero} wanted to say hello, but {he} was shy.",
        "Then the wind blew, and the {thing} flew away! {Friend} ran after it but could not catch it. {Hero} jumped up high and caught it. \"Here you are,\" {he} said softly.",
        "\"Thank you!\" said {friend}. \"My name is {friend}. What is your name?\" \"I am {hero},\" said {hero}. \"Do you want to play with me?\" asked {friend}. \"Yes, please!\" said {hero}.",
        "They played with the {colour} {thing} all day. [When it was time to go home, {hero} was not lonely any more.|That night, {hero} went to bed with a big smile.] {lesson}",
    ]),
    "boat trip": ("any", "careful", [
        "{opening} {Hero} and {friend} the {friend_kind} were good friends. One day, they found an old {colour} boat near the water. \"Let us go for a ride!\" said {hero}.",
        "\"Wait,\" said {friend}. \"We should look at the boat first.\" But {hero} did not want to wait. {He} jumped into the boat, and {friend} came too. They went out on the water.",
        "Soon, {friend} felt something wet. \"There is a hole in the boat!\" {friend} cried. The water came in, more and more. {Hero} was scared. \"What can we do?\" {he} asked.",
        "{Friend} put a [scarf|hat] in the hole, and {hero} used a cup to take the water out. They worked very fast. Slowly, slowly, they came back to the land. They were wet, but they were safe.",
        "\"Next time, I will listen to you,\" said {hero}. They fixed the boat together, and then they ate {a food} in the sun. {lesson}",
    ]),
    "star wish": ("any", "kind", [
        "{opening} Every night, {hero} looked out of the window at the stars. [{He} liked the smallest star best.|One star was very small and very bright.]",
        "One night, the small star fell from the sky and landed in the {place}. {Hero} ran outside and found it in the grass. \"I am lost,\" said the star. \"I want to go home, but I can not fly.\"",
        "{Hero} thought and thought. Then {he} had an idea. {He} ran to {friend} the {friend_kind}. {Friend} had a big {colour} {flyer}. \"We can use it to bring the star back,\" said {hero}.",
        "They tied the star to it with a string. Up, up it went, higher than the trees and higher than the clouds. \"Thank you!\" called the star. Soon it was back in the sky.",
        "Now, every night, the little star shines a bit brighter, just for {hero} and {friend}. {lesson}",
    ]),
    "baking": ("child", "help", [
        "{opening} Today was a special day. It was {parent}'s birthday, and {hero} wanted to make a cake.",
        "{Hero} took flour, eggs and milk. But the bowl was big, and the flour went everywhere! There was flour on the table, on the floor and on {his} nose. {Hero} began to cry. \"Now there will be no cake,\" {he} said.",
        "{Friend}, who lived next door, came in. \"What a mess!\" said {friend} and laughed. \"I will help you.\" First they cleaned the table. Then they mixed the eggs, the milk and the rest of the flour.",
        "They put the cake in the oven with the help of a grown-up and waited. Soon the whole house smelled sweet. They put {colour} [sugar|cream] on top, and {hero} put one candle in the middle.",
        "When {parent} came home, {hero} and {friend} called, \"Surprise!\" {Parent} was so happy. \"This is the best cake ever,\" said {parent}. {lesson}",
    ]),
    "rainy day": ("any", "kind", [
        "{opening} It was raining, and {hero} could not go out to play. {He} sat by the window. \"Rain, rain, go away,\" {he} said.",
        "Then {hero} saw {friend} the {friend_kind} outside. {Friend} was jumping in the puddles. Splash! Splash! \"Come out, {hero}!\" called {friend}. \"The rain is fun!\"",
        "{Hero} put on {his} {colour} boots and went out. At first, {he} did not like to get wet. But then {he} jumped into a big puddle. Splash! The water went up high, and they both laughed.",
        "They made little boats out of leaves, and the boats swam down the street. [Then the rain stopped.|Then the sun came out.] There was a big rainbow in the sky!",
        "\"If there is no rain, there is no rainbow,\" said {friend}. {Hero} smiled. Now {he} likes rainy days too. [{lesson}|]",
    ]),
    "strange noise": ("any", "brave", [
        "{opening} One night, {hero} was in bed. It was dark. Then {he} heard a strange noise. Tap, tap, tap! {Hero} hid under the blanket. \"It is a monster!\" {he} thought.",
        "Tap, tap, tap! There it was again. {Hero} held {his} {thing} tight. {He} was scared, but {he} wanted to know what it was. {He} took a lamp and went to the door, step by step.",
        "{Hero} opened the door. There was no monster at all. It was {friend} the {friend_kind}! \"I am sorry,\" said {friend}. \"I lost my way, and it is so dark. I saw your light.\"",
        "{Hero} laughed. \"I thought you were a monster!\" {He} gave {friend} {a food} and a {colour} blanket. {Friend} slept next to {hero} that night, and they were both safe and warm.",
        "In the morning, {hero} showed {friend} the way home. {lesson}",
    ]),
    "race": ("animal", "kind", [
        "{opening} {Hero} could run very fast. One day, there was a big race in the {place}. {Hero} wanted to win the {colour} {thing}, which was the prize.",
        "All the animals stood in a line. \"Ready, set, go!\" {Hero} ran and ran. Soon {he} was first. But then {he} heard a cry. {Friend} the {friend_kind} had fallen and could not get up.",
        "{Hero} looked at the finish line. It was so near! {He} looked back at {friend}. Then {he} stopped and went back. \"Are you hurt?\" asked {hero}. \"My leg hurts,\" said {friend}.",
        "{Hero} helped {friend} to stand up, and they walked to the finish line together. They were the last ones. But everyone cheered and clapped for them.",
        "The old owl gave the {colour} {thing} to {hero}. \"You did not win the race,\" said the owl, \"but you have the biggest heart.\" {Hero} and {friend} shared it. {lesson}",
    ]),
}
SKILLS = ["ride a bike", "swim", "skate", "dance", "climb", "jump rope"]
SPOTS = ["under a bush", "behind the big tree", "on top of a hill", "next to the pond", "in a hole"]
OPENINGS = [
    "Once upon a time, there was a {nature} {kind} named {hero}.",
    "Once upon a time, in a [small village|big forest|quiet town], there lived a {nature} {kind}. {His} name was {hero}.",
    "There was once a {nature} {kind} named {hero}.",
    "{Hero} was a {nature} {kind} who lived near a {place}.",
    "Once there was a {nature} {kind}. {His} name was {hero}.",
]
REQUESTS = [
    "[Tell me|Please tell me|Can you tell me|I want|Write] a [|short |little ]story about a {nature} {kind} named {hero}{end}",
    "[Tell me|Please tell me|Can you tell me|Write] a story about a {kind} and a {friend_kind}{end}",
    "[Tell me|Can you tell me|Write] a story about a {kind} named {hero} in the {place}{end}",
    "[Tell me|Please tell me|Write] a story about {a kind}{end}",
    "Tell me a story about {hero} the {kind}.",
    "Tell me a story. It should be about a {nature} {kind}.",
]
SUBJECTS = {"thing": "Tell me a story about a {kind} and a {colour} {thing}."}


def expand(text, rng):
    """Resolves `[a|b]` choices, innermost first."""
    while (m := re.search(r"\[([^\[\]]*)\]", text)) is not None:
        text = text[: m.start()] + rng.choice(m.group(1).split("|")) + text[m.end() :]
    return text


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def fill(text, slots, rng):
    text = expand(text, rng)
    while "{" in text:
        text = expand(re.sub(r"\{([\w ]+)\}", lambda m: slots[m.group(1)], text), rng)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return re.sub(r" +", " ", text).strip()


def cast(rng, who):
    """Hero and friend with names, kinds and pronouns."""
    child = who == "child" or (who == "any" and rng.random() < 0.5)
    if child:
        girl = rng.random() < 0.5
        kind, name = ("girl", rng.choice(GIRLS)) if girl else ("boy", rng.choice(BOYS))
    else:
        girl = rng.random() < 0.5
        kind, name = rng.choice(ANIMALS), rng.choice(PETS)
    friend_kind = rng.choice([a for a in ANIMALS if a != kind])
    friend = rng.choice([n for n in PETS + (GIRLS + BOYS if who == "child" else []) if n != name])
    he, him, his = ("she", "her", "her") if girl else ("he", "him", "his")
    slots = dict(hero=name, Hero=name, kind=kind, he=he, him=him, his=his, He=he.capitalize(), His=his.capitalize())
    return slots | {"friend": friend, "Friend": friend, "friend_kind": friend_kind}


def story(rng):
    """(request, story, [(question, answer), ...])"""
    plot = rng.choice(list(PLOTS))
    who, lesson, paragraphs = PLOTS[plot]
    s = cast(rng, who)
    parent = rng.choice(["mom", "dad", "grandma", "grandpa"])
    food = rng.choice(FOODS)
    s |= dict(colour=rng.choice(COLOURS), thing=rng.choice(THINGS), place=rng.choice(PLACES), nature=rng.choice(NATURES),
              skill=rng.choice(SKILLS), spot=rng.choice(SPOTS), lesson=rng.choice(LESSONS[lesson]), parent=parent, food=food,
              vessel=rng.choice(["cup", "vase"]), flyer=rng.choice(["kite", "balloon"]))
    s |= {"Parent": parent.capitalize(), "a food": article(food), "a kind": article(s["kind"]), "opening": rng.choice(OPENINGS)}
    body = "\n\n".join(fill(p, s, rng) for p in paragraphs)
    body = re.sub(r"(?<=[.!?\"] )(mom|dad|grandma|grandpa)\b", lambda m: m.group(1).capitalize(), body)
    text = " ".join(paragraphs)
    request = rng.choice(REQUESTS + ([SUBJECTS["thing"]] * 2 if "{thing}" in text else []))
    end = "?" if "Can you" in (chosen := expand(request, rng)) else "."
    questions = [("[What is|What was] the name of the {kind}?", "The {kind}'s name was {hero}."), ("Who is the story about?", "The story is about a {kind} named {hero}."),
                 ("What kind of {animal} was {hero}?", "{hero} was a {nature} {kind}.")]
    if "{friend_kind}" in text:
        questions += [("Who was {friend}?", "{friend} was a {friend_kind}."), ("Who helped {hero}?" if lesson in ("help", "try") else "Who was the friend of {hero}?", "{friend} the {friend_kind}.")]
    if "{colour} {thing}" in text:
        questions += [("What color was the {thing}?", "The {thing} was {colour}.")]
    if plot == "lost thing":
        questions += [("Where was the {thing}?", "The {thing} was {spot}."), ("What did {hero} lose?", "{hero} lost a {colour} {thing}.")]
    if plot == "learning":
        questions += [("What did {hero} learn?", "{hero} learned to {skill}.")]
    s["animal"] = "child" if s["kind"] in ("girl", "boy") else "animal"
    rng.shuffle(questions)
    return fill(chosen, s | {"end": end}, rng), body, [(fill(q, s, rng), fill(a, s, rng)) for q, a in questions[:2]]


if __name__ == "__main__":
    rng = random.Random()
    for _ in range(4):
        request, text, questions = story(rng)
        print(f"User: {request}\n{text}\n{questions}\n")
