"""Words for what one sees and hears in Freedoom, whose art is its own: "serpentipede", not "imp".

Every `Subject` has the concept's readable name, the phrases of the narrations (no article), two plain queries in the
same wording, and two paraphrases that occur in no narration: they measure whether words carry over to new wording.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    concept: str
    phrases: tuple[str, ...]
    queries: tuple[str, str]
    paraphrases: tuple[str, str]


def _table(kind: str, rows: dict[str, tuple[str, str, str, str]]) -> dict[str, Subject]:
    """{game class: (name, "phrase|phrase|...", "query|query", "paraphrase|paraphrase")} -> {game class: Subject}."""

    def subject(name: str, phrases: str, queries: str, paraphrases: str) -> Subject:
        first, second = queries.split("|")
        third, fourth = paraphrases.split("|")
        return Subject(f"{kind}:{name}", tuple(phrases.split("|")), (first, second), (third, fourth))

    return {key: subject(*row) for key, row in rows.items()}


MONSTERS = _table(
    "monster",
    {
        "Zombieman": (
            "zombie soldier",
            "zombie soldier|zombie with a rifle|zombie|undead rifleman|undead soldier|rotting trooper|ragged zombie",
            "a zombie soldier attacks|shooting at an undead rifleman",
            "living dead infantryman|decayed military man with a carbine",
        ),
        "ShotgunGuy": (
            "shotgun zombie",
            "shotgun zombie|zombie with a shotgun|dark zombie in black armor|"
            "undead guard with a shotgun|black clad zombie",
            "a zombie with a shotgun|shotgun zombie shooting at us",
            "dead man in dark clothing holding a scattergun|corpse carrying a pump action",
        ),
        "ChaingunGuy": (
            "minigun zombie",
            "minigun zombie|zombie with a minigun|heavy zombie in grey armor|chaingun zombie|armored zombie gunner",
            "a zombie with a minigun|armored minigun zombie firing",
            "bulky dead trooper spraying rounds|walking corpse in plated suit with a rotary cannon",
        ),
        "DoomImp": (
            "serpentipede",
            "serpentipede|snake centipede|brown centipede monster|"
            "many armed brown monster|centipede throwing fireballs|red headed insect monster",
            "a serpentipede throws fireballs|brown centipede monster",
            "upright bug creature with lots of limbs|tall millipede beast with a crimson head",
        ),
        "Demon": (
            "flesh worm",
            "flesh worm|pink worm|biting worm|fleshy worm monster|fat pink maggot|giant worm",
            "a pink flesh worm bites|giant biting worm",
            "huge slimy larva|rosy crawling parasite with teeth",
        ),
        "Spectre": (
            "stealth worm",
            "stealth worm|invisible worm|half invisible worm|shadowy worm|"
            "see through monster|ghostly worm|blurry monster",
            "an invisible stealth worm|shadowy half invisible monster",
            "transparent larva|camouflaged shimmering creature",
        ),
        "LostSoul": (
            "deadflare",
            "deadflare|flying skull|burning skull|flaming flying head|small floating fire creature|glowing flying orb",
            "a deadflare flies at us|burning flying skull",
            "airborne cranium wreathed in heat|hovering bone face that charges",
        ),
        "Cacodemon": (
            "trilobite",
            "trilobite|floating trilobite|floating blue beast|"
            "flying shell monster|big floating blue monster|flying crab monster",
            "a floating trilobite|big blue flying monster with a shell",
            "hovering prehistoric arthropod|levitating navy crustacean",
        ),
        "HellKnight": (
            "pain bringer",
            "pain bringer|red armored brute|big red and silver robot|hulking brute with red armor|metal brute",
            "a pain bringer in red armor|hulking metal brute throwing plasma",
            "huge mechanical warrior with scarlet plating|steel giant wearing crimson",
        ),
        "BaronOfHell": (
            "pain lord",
            "pain lord|green armored brute|big green and silver robot|giant in green armor|towering armored monster",
            "a pain lord in green armor|giant green and silver monster",
            "enormous mechanical warrior with emerald plating|massive steel boss throwing balls of energy",
        ),
        "Revenant": (
            "octaminator",
            "octaminator|octopus monster|squid monster with rockets|"
            "tentacle monster|green squid with missiles|green octopus soldier",
            "a tentacle monster fires missiles|green octopus monster",
            "cephalopod trooper launching homing projectiles|creature walking on suckered arms",
        ),
        "Fatso": (
            "combat slug",
            "combat slug|fat slug|slug with cannons|slug with flamethrowers|huge brown slug|giant snail monster",
            "a combat slug with cannons|huge brown slug monster",
            "bloated mollusk with mounted guns|obese shellless gastropod",
        ),
        "Arachnotron": (
            "technospider",
            "technospider|spider robot|mechanical spider|small robot spider|metal spider|spider machine|cyber spider",
            "a technospider shooting plasma|robot spider",
            "mechanical arachnid|eight legged automaton",
        ),
        "PainElemental": (
            "matribite",
            "matribite|floating mother monster|red floating monster|"
            "big round red beast|flying monster that spits skulls",
            "a red floating matribite|flying monster that spits out skulls",
            "hovering scarlet brood parent|airborne crimson queen birthing little ones",
        ),
        "Archvile": (
            "necromancer",
            "necromancer|flesh wizard|fire wizard|skinless man|bony sorcerer|evil magician",
            "a necromancer casts fire|skinless fire wizard",
            "flayed warlock|skeletal conjurer setting us ablaze",
        ),
        "Cyberdemon": (
            "assault tripod",
            "assault tripod|giant tripod|three legged machine|"
            "tall walking machine|giant tripod robot|huge three legged monster",
            "an assault tripod fires rockets|giant walking tripod machine",
            "colossal strider with a trio of limbs|war mech as high as a house",
        ),
        "SpiderMastermind": (
            "large technospider",
            "large technospider|giant spider machine|huge robot spider|enormous mechanical spider|giant spider boss",
            "a giant spider machine|huge large technospider boss",
            "titanic arachnid tank|monstrous eight legged vehicle",
        ),
        "WolfensteinSS": (
            "sailor",
            "sailor|sailor in a blue jacket|sailor with a gun|man in a blue shirt|drunken sailor|blue marine",
            "a sailor in blue shoots|sailor with a gun",
            "seaman wearing navy colored clothes|deckhand with an anchor on his back",
        ),
    },
)

WEAPONS = _table(
    "weapon",
    {
        "Fist": (
            "fists",
            "fists|bare hands|bare fists|knuckles",
            "punching with bare fists|throwing punches",
            "hand to hand boxing|unarmed brawling",
        ),
        "Chainsaw": (
            "chainsaw",
            "chainsaw|saw|angle grinder|power saw|buzzing saw",
            "cutting with a chainsaw|the buzzing angle grinder",
            "motorized lumberjack tool|whining spinning blade",
        ),
        "Pistol": (
            "pistol",
            "pistol|handgun|small gun|little pistol|sidearm",
            "firing a pistol|shooting a handgun",
            "popping off a nine millimeter|single revolver style shots",
        ),
        "Shotgun": (
            "shotgun",
            "shotgun|pump shotgun|pump gun|hunting shotgun",
            "shooting a shotgun|pump shotgun blast",
            "racking a scattergun|twelve gauge discharge",
        ),
        "SuperShotgun": (
            "double barreled shotgun",
            "double barreled shotgun|super shotgun|double shotgun|big shotgun with two barrels",
            "firing a double barreled shotgun|super shotgun blast",
            "twin pipe boomstick|sawn off coach weapon",
        ),
        "Chaingun": (
            "minigun",
            "minigun|machine gun|chaingun|gatling gun|automatic gun",
            "firing the minigun|machine gun fire",
            "rapid automatic bullets|rotary cannon spraying rounds",
        ),
        "RocketLauncher": (
            "rocket launcher",
            "rocket launcher|missile launcher|rocket gun|bazooka",
            "firing a rocket launcher|shooting rockets with the missile launcher",
            "shoulder mounted projectile tube|blasting warheads",
        ),
        "PlasmaRifle": (
            "plasma gun",
            "plasma gun|plasma rifle|energy rifle|laser gun|blue energy weapon",
            "shooting the plasma gun|energy rifle firing blue bolts",
            "azure beams from a futuristic carbine|electric pulse blaster",
        ),
        "BFG9000": (
            "big energy cannon",
            "big energy cannon|super weapon|giant energy gun|huge plasma cannon|biggest gun",
            "firing the big energy cannon|huge blue energy ball from the super weapon",
            "ultimate blaster releasing a sapphire sphere|charging a monstrous ray",
        ),
    },
)

PICKUPS = _table(
    "pickup",
    {
        "Stimpack": (
            "small health kit",
            "small health kit|little first aid kit|small medical kit|bandage roll",
            "picking up a small health kit|little first aid kit on the floor",
            "tiny medicine supplies|minor bandages collected",
        ),
        "Medikit": (
            "first aid kit",
            "first aid kit|medical kit|white medical case|big health kit|medkit",
            "picking up a first aid kit|white medical case",
            "doctor's box with a cross|paramedic suitcase",
        ),
        "HealthBonus": (
            "health vial",
            "health vial|little green bottle|small vial|health potion|tiny bottle",
            "picking up a health vial|a little green bottle on the ground",
            "tiny flask of medicine|small glass tonic",
        ),
        "ArmorBonus": (
            "armor shard",
            "armor shard|small red plate|little red armor piece|armor bonus",
            "picking up an armor shard|small red armor piece",
            "scarlet protective fragment|tiny bit of shielding",
        ),
        "GreenArmor": (
            "green armor",
            "green armor|green armor vest|green vest|green body armor",
            "picking up green armor|a green vest on the floor",
            "emerald bulletproof jacket|olive breastplate",
        ),
        "BlueArmor": (
            "red armor",
            "red armor|red armor vest|red vest|heavy red armor",
            "picking up red armor|a heavy red armor vest",
            "crimson bulletproof jacket|scarlet breastplate",
        ),
        "Soulsphere": (
            "golden skull orb",
            "golden skull orb|yellow skull ball|yellow orb with a face|golden sphere",
            "picking up the golden skull orb|yellow ball with a skull face",
            "gilded globe resembling a head|amber cranium floating",
        ),
        "Megasphere": (
            "orange screaming orb",
            "orange screaming orb|orange sphere|orange ball with a face|screaming orange ball",
            "picking up the orange screaming orb|orange ball with a face",
            "tangerine globe with an open mouth|howling pumpkin colored bubble",
        ),
        "InvulnerabilitySphere": (
            "green star orb",
            "green star orb|green sphere|green ball with a star|green glowing orb",
            "picking up the green star orb|green ball with a star",
            "emerald globe with a pentagram|jade bubble of invincibility",
        ),
        "BlurSphere": (
            "dark ghost orb",
            "dark ghost orb|black sphere|invisibility orb|dark ball",
            "picking up the dark ghost orb|black invisibility sphere",
            "murky bubble that makes one unseen|gloomy round shadow",
        ),
        "Berserk": (
            "berserk pack",
            "berserk pack|red strength pack|skull and red box|berserk box",
            "picking up a berserk pack|red strength pack with a skull",
            "rage power up|fury booster",
        ),
        "RadSuit": (
            "radiation suit",
            "radiation suit|white space suit|silver suit|hazard suit|protective suit",
            "picking up a radiation suit|silver space suit standing there",
            "astronaut outfit|hazmat clothing",
        ),
        "Infrared": (
            "night vision goggles",
            "night vision goggles|green goggles|light goggles|visor",
            "picking up night vision goggles|green goggles on the floor",
            "eyewear that brightens everything|infrared spectacles",
        ),
        "Backpack": (
            "backpack",
            "backpack|brown backpack|bag of ammo|ammo backpack|rucksack",
            "picking up a backpack|brown bag on the ground",
            "knapsack with supplies|leather hiking satchel",
        ),
        "Clip": (
            "bullet clip",
            "bullet clip|ammo clip|small magazine|few bullets",
            "picking up a bullet clip|small ammo clip",
            "cartridge holder|spare rounds for the handgun",
        ),
        "ClipBox": (
            "box of bullets",
            "box of bullets|green ammo box|case of ammo|bullet box",
            "picking up a box of bullets|green ammo box",
            "olive cartridge container|crate with many rounds",
        ),
        "ShellBox": (
            "box of shells",
            "box of shells|red box of shotgun shells|shell box|shotgun ammo",
            "picking up a box of shells|red box of shotgun ammo",
            "carton of buckshot|scarlet package of slugs",
        ),
        "RocketBox": (
            "crate of rockets",
            "crate of rockets|box of rockets|grey crate|rocket crate|box of missiles",
            "picking up a crate of rockets|grey rocket box",
            "chest full of warheads|steel container with explosives",
        ),
        "CellPack": (
            "energy pack",
            "energy pack|big energy cell|battery pack|blue energy cells|power cells",
            "picking up an energy pack|big battery with blue cells",
            "large electric accumulator|charge for laser weapons",
        ),
        "RedCard": (
            "red key",
            "red key|red key card|red pass card|red keycard",
            "picking up the red key|red key card",
            "scarlet access token|crimson security badge",
        ),
        "BlueCard": (
            "blue key",
            "blue key|blue key card|blue pass card|blue keycard",
            "picking up the blue key|blue key card",
            "azure access token|navy security badge",
        ),
        "YellowSkull": (
            "yellow skull key",
            "yellow skull key|golden skull key|yellow demon key|little golden idol",
            "picking up the yellow skull key|golden skull key",
            "amber bone trinket that unlocks|gilded cranium charm",
        ),
        "Shotgun": (
            "shotgun",
            "shotgun|pump shotgun|shotgun on the floor|pump gun",
            "picking up a shotgun|there is a shotgun on the floor",
            "collecting a scattergun|new twelve gauge found",
        ),
        "SuperShotgun": (
            "double barreled shotgun",
            "double barreled shotgun|super shotgun|double shotgun|two barrel shotgun",
            "picking up a double barreled shotgun|the super shotgun lies on the floor",
            "collecting the twin pipe boomstick|sawn off coach weapon acquired",
        ),
        "Chaingun": (
            "minigun",
            "minigun|machine gun|gatling gun|chaingun",
            "picking up the minigun|a machine gun lies on the floor",
            "collecting the rotary cannon|new rapid automatic found",
        ),
        "RocketLauncher": (
            "rocket launcher",
            "rocket launcher|missile launcher|bazooka|rocket gun",
            "picking up the rocket launcher|a missile launcher lies on the floor",
            "collecting a projectile tube|acquiring heavy artillery",
        ),
        "PlasmaRifle": (
            "plasma gun",
            "plasma gun|plasma rifle|energy rifle|laser gun",
            "picking up the plasma gun|an energy rifle lies on the floor",
            "collecting the electric blaster|futuristic carbine acquired",
        ),
        "Chainsaw": (
            "chainsaw",
            "chainsaw|power saw|angle grinder|saw",
            "picking up a chainsaw|a power saw lies on the floor",
            "collecting the lumberjack tool|spinning blade acquired",
        ),
        "BFG9000": (
            "big energy cannon",
            "big energy cannon|super weapon|giant energy gun|biggest gun",
            "picking up the big energy cannon|the super weapon lies on the floor",
            "collecting the ultimate blaster|monstrous ray acquired",
        ),
        "Allmap": (
            "computer map",
            "computer map|map tablet|green screen|handheld computer|tablet with a map",
            "picking up the computer map|a tablet with a green screen",
            "electronic chart of the level|navigation gadget",
        ),
    },
)

THINGS = _table(
    "thing",
    {
        "BigTree": (
            "bare tree",
            "bare tree|dead tree|leafless tree|big dead tree|twisted tree",
            "a bare dead tree|leafless tree",
            "withered trunk with naked branches|lifeless wooden plant",
        ),
        "Stalagtite": (
            "green tree",
            "green tree|leafy tree|small green tree|bush",
            "a green leafy tree|small green tree",
            "lush plant with foliage|verdant shrub",
        ),
        "TechPillar": (
            "computer pillar",
            "computer pillar|tech column|metal pillar with a blue screen|tall computer column",
            "a tall computer pillar|metal pillar with a blue screen",
            "high electronic tower with a monitor|server mast",
        ),
        "TechLamp": (
            "lamp",
            "lamp|tall lamp|lamp post|electric lamp|floor lamp",
            "a tall lamp|electric lamp post",
            "standing bulb giving illumination|lantern on a stick",
        ),
        "BurningBarrel": (
            "burning barrel",
            "burning barrel|fire barrel|barrel on fire|campfire in a barrel|fire in a can",
            "a burning barrel|fire in a barrel",
            "blazing oil drum|keg giving off heat",
        ),
        "RedTorch": (
            "red torch",
            "red torch|torch with a red flame|red fire|tall red torch",
            "a torch with a red flame|red torch",
            "scarlet burning brand|crimson blaze on a stand",
        ),
        "BlueTorch": (
            "blue torch",
            "blue torch|torch with a blue flame|blue fire|tall blue torch",
            "a torch with a blue flame|blue torch",
            "azure burning brand|sapphire blaze on a stand",
        ),
        "GreenTorch": (
            "green torch",
            "green torch|torch with a green flame|green fire|tall green torch",
            "a torch with a green flame|green torch",
            "emerald burning brand|lime blaze on a stand",
        ),
        "EvilEye": (
            "red eye",
            "red eye|evil eye|giant eye|eye in a claw|big staring eye",
            "a giant evil eye|red eye in a claw",
            "enormous watching pupil|ocular statue",
        ),
        "Meat2": (
            "hanging corpse",
            "hanging corpse|hanging body|dead body on a chain|hanged dead man",
            "a corpse hanging from the ceiling|dead body on a chain",
            "cadaver dangling from a hook|suspended human remains",
        ),
        "LiveStick": (
            "impaled body",
            "impaled body|impaled man|body on a spike|man on a stake",
            "an impaled man on a spike|body on a stake",
            "skewered victim|person pierced by a pole",
        ),
        "TallGreenColumn": (
            "green pillar",
            "green pillar|green column|green marble pillar|tall green column",
            "a green pillar|green marble column",
            "emerald stone post|jade colored pedestal",
        ),
        "TallRedColumn": (
            "red pillar",
            "red pillar|red column|red marble pillar|tall red column",
            "a red pillar|red marble column",
            "scarlet stone post|crimson colored pedestal",
        ),
    },
)

# What the player stands in or on, or under: {name: Subject}; the phrases continue a sentence.
PLACES = _table(
    "place",
    {
        "water": (
            "water",
            "in the water|in blue water|knee deep in water|in a pool",
            "walking in blue water|wading through a pool",
            "paddling across a lake|feet in the aquatic basin",
        ),
        "slime": (
            "slime",
            "in green slime|in toxic slime|in green acid|in the toxic waste|in green liquid",
            "walking in green slime|toxic green waste",
            "poisonous emerald liquid|corrosive nuclear goo",
        ),
        "sludge": (
            "sludge",
            "in brown mud|in muddy water|in dirty sludge|in the swamp",
            "walking through brown mud|dirty muddy sludge",
            "filthy sewage bog|marsh with murky liquid",
        ),
        "lava": (
            "lava",
            "in the lava|on burning lava|in molten lava|on hot glowing lava",
            "walking on lava|burning hot molten lava",
            "volcanic magma floor|liquid fire underfoot",
        ),
        "hot rocks": (
            "hot rocks",
            "on hot rocks|on glowing red rocks|on cracked hot ground|on burning stones",
            "hot glowing red rocks|walking on cracked burning ground",
            "scorched boulders with magma between|smoldering volcanic surface",
        ),
        "blood": (
            "blood",
            "in a pool of blood|in the blood|in red blood|in a river of blood",
            "walking in a pool of blood|river of blood",
            "gore covered basin|crimson bodily fluid everywhere",
        ),
        "grass": (
            "grass",
            "on the grass|on a green lawn|on the green grass|on a grassy field",
            "walking on green grass|a grassy field",
            "meadow ground|turf underfoot",
        ),
        "outdoors": (
            "outdoors",
            "outdoors|outside|under the open sky|outside in the open|out in the yard|in the courtyard",
            "outdoors under the open sky|outside in the yard",
            "exterior scenery in fresh air|beneath the clouds",
        ),
        "dark": (
            "dark",
            "in the dark|in a dark room|in the shadows|in the gloomy darkness",
            "in a dark room|walking in the dark",
            "barely lit corridor at night|dim unlit interior",
        ),
        "bright": (
            "bright",
            "in a bright room|in the bright light|in a well lit hall|under bright lights",
            "in a bright well lit room|bright lights",
            "brilliantly illuminated chamber|dazzling interior",
        ),
        "indoors": (
            "indoors",
            "inside|indoors|in a room|in the hallway|in this corridor|inside the base|inside the building",
            "inside a building|in a hallway",
            "interior of a facility|within four walls",
        ),
    },
)

# Floor textures by prefix -> place. SLIME13 and above are concrete.
GROUNDS = {
    "NUKAGE": "slime",
    **{f"SLIME0{i}": "sludge" for i in range(1, 9)},
    **{f"SLIME{i}": "hot rocks" for i in ("09", "10", "11", "12")},
    **{f"RROCK0{i}": "hot rocks" for i in (1, 2, 5, 6, 7, 8)},
    "FWATER": "water",
    "LAVA": "lava",
    "BLOOD": "blood",
    "GRASS": "grass",
}
SKY = "F_SKY"
DARK_LIGHT, BRIGHT_LIGHT = 112, 208

ACTIONS = _table(
    "action",
    {
        "door": (
            "door",
            "",
            "opening a door|the door slides open",
            "entrance unlocks and lifts|portcullis raising to let us pass",
        ),
        "lift": (
            "lift",
            "",
            "riding a lift|the elevator platform moves",
            "ascending by hoist|descending floor mechanism",
        ),
        "switch": (
            "switch",
            "",
            "pressing a switch|pushing a button on the wall",
            "toggling a control panel|operating a lever",
        ),
        "teleport": (
            "teleport",
            "",
            "stepping into a teleporter|teleporting to another place",
            "vanishing and reappearing elsewhere|instant beam transport",
        ),
        "barrel": (
            "barrel explosion",
            "",
            "a barrel explodes|shooting an explosive barrel",
            "fuel drum detonates|oil keg bursting in a fireball",
        ),
        "death": (
            "player death",
            "",
            "the player dies|we get killed and fall to the floor",
            "our hero perishes|fatal defeat",
        ),
        "kill": (
            "kill",
            "",
            "the monster dies|killing a monster",
            "enemy slain|beast collapses lifeless",
        ),
        "fire": (
            "fire",
            "",
            "shooting at the wall|firing a gun with nobody around",
            "discharging a firearm without a target|target practice in an empty hall",
        ),
        "fight": (
            "fight",
            "",
            "fighting a monster|shooting at a monster",
            "skirmish against a foe|exchanging blows with some creature",
        ),
        "monster": (
            "monster attack",
            "",
            "a monster attacks us|dodging a monster",
            "evading an aggressive beast|foe assaulting the viewer",
        ),
        "pickup": (
            "pickup",
            "",
            "picking something up|grabbing an item from the floor",
            "collecting loot|obtaining supplies",
        ),
        "explore": (
            "explore",
            "",
            "just walking around|exploring the level",
            "wandering about peacefully|strolling through the scenery",
        ),
    },
)

SUBJECTS: tuple[Subject, ...] = tuple(
    subject for table in (WEAPONS, MONSTERS, PICKUPS, THINGS, PLACES, ACTIONS) for subject in table.values()
)
CONCEPT_QUERIES: dict[str, list[str]] = {s.concept: list(s.queries) for s in SUBJECTS}
PARAPHRASES: dict[str, list[str]] = {s.concept: list(s.paraphrases) for s in SUBJECTS}

# The engine's class -> the start of its picture lumps' names. The smaller game lacks some; a scene needs its picture.
SPRITES = {
    "ChaingunGuy": "CPOS",
    "HellKnight": "BOS2",
    "Revenant": "SKEL",
    "Fatso": "FATT",
    "Arachnotron": "BSPI",
    "PainElemental": "PAIN",
    "Archvile": "VILE",
    "WolfensteinSS": "SSWV",
    "SuperShotgun": "SGN2",
    "Megasphere": "MEGA",
    "TechLamp": "TLMP",
    "BurningBarrel": "FCAN",
}
