"""Words for what one sees and hears in Freedoom, whose art is its own: "serpentipede", not "imp".

Every `Subject` has the concept's readable name, the phrases of the narrations (no article) and two plain queries in the
same wording. The phrases are many and everyday ones: from them the text encoder learns what people call the thing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    concept: str
    phrases: tuple[str, ...]
    queries: tuple[str, str]


def _table(kind: str, rows: dict[str, tuple[str, str, str]]) -> dict[str, Subject]:
    """{game class: (name, "phrase|phrase|...", "query|query")} -> {game class: Subject}."""

    def subject(name: str, phrases: str, queries: str) -> Subject:
        first, second = queries.split("|")
        return Subject(f"{kind}:{name}", tuple(filter(None, phrases.split("|"))), (first, second))

    return {key: subject(*row) for key, row in rows.items()}


MONSTERS = _table(
    "monster",
    {
        "Zombieman": (
            "zombie soldier",
            "zombie soldier|zombie with a rifle|zombie|undead rifleman|undead soldier|rotting trooper|"
            "ragged zombie|zombie man with a gun|dead soldier|soldier with a rifle|zombie trooper|armed zombie|"
            "walking dead soldier|zombie guard|evil soldier shooting at us|rifle zombie|undead trooper|"
            "zombie in ragged clothes",
            "a zombie soldier attacks|shooting at an undead rifleman",
        ),
        "ShotgunGuy": (
            "shotgun zombie",
            "shotgun zombie|zombie with a shotgun|dark zombie in black armor|undead guard with a shotgun|"
            "black clad zombie|zombie in black|dead soldier with a shotgun|man in black with a shotgun|"
            "shotgun soldier|zombie wearing black clothes|shotgun guy|black zombie soldier|"
            "undead shotgun sergeant|dark armored zombie|zombie in a black helmet",
            "a zombie with a shotgun|shotgun zombie shooting at us",
        ),
        "ChaingunGuy": (
            "minigun zombie",
            "minigun zombie|zombie with a minigun|heavy zombie in grey armor|chaingun zombie|"
            "armored zombie gunner|zombie with a machine gun|big grey zombie|zombie in heavy armor|"
            "machine gun soldier|heavy gunner|armored soldier with a machine gun|zombie with a gatling gun|"
            "chaingun guy|big zombie spraying bullets|strong zombie in metal armor",
            "a zombie with a minigun|armored minigun zombie firing",
        ),
        "DoomImp": (
            "serpentipede",
            "serpentipede|snake centipede|brown centipede monster|many armed brown monster|"
            "centipede throwing fireballs|red headed insect monster|brown insect creature|bug with many legs|"
            "horned insect demon|snake with many arms|monster throwing fireballs|giant centipede|brown bug|imp|"
            "insect with a red head|tall brown demon|creature that throws fire|serpent with arms|"
            "big worm with many arms",
            "a serpentipede throws fireballs|brown centipede monster",
        ),
        "Demon": (
            "flesh worm",
            "flesh worm|pink worm|biting worm|fleshy worm monster|fat pink maggot|giant worm|big pink worm|"
            "huge pink slug|pink demon with teeth|worm with a big mouth|pink meat monster|red pink snake|"
            "toothy pink worm|pink creature|fat worm|worm that bites|pink biting beast|crawling pink worm|"
            "slithering worm",
            "a pink flesh worm bites|giant biting worm",
        ),
        "Spectre": (
            "stealth worm",
            "stealth worm|invisible worm|half invisible worm|shadowy worm|see through monster|ghostly worm|"
            "blurry monster|invisible monster|ghost worm|nearly invisible creature|hidden worm|shadow monster|"
            "ghost monster|invisible demon|blurry shadow|monster you can hardly see|faint shadowy beast|"
            "dark blurry worm",
            "an invisible stealth worm|shadowy half invisible monster",
        ),
        "LostSoul": (
            "deadflare",
            "deadflare|flying skull|burning skull|flaming flying head|small floating fire creature|"
            "glowing flying orb|skull on fire|flying head in flames|floating skull|fiery skull|"
            "flying ball of fire|burning head|small flying monster|skull with flames|orange flying skull|"
            "lost soul|flying fireball with a face|little burning ghost",
            "a deadflare flies at us|burning flying skull",
        ),
        "Cacodemon": (
            "trilobite",
            "trilobite|floating trilobite|floating blue beast|flying shell monster|big floating blue monster|"
            "flying crab monster|flying blue monster|blue flying beast|big round flying monster|"
            "floating monster with a shell|flying blue crab|floating bug|armored flying creature|"
            "blue floating ball monster|hovering blue beast|flying sea creature|monster floating in the air|"
            "blue alien floating in the air",
            "a floating trilobite|big blue flying monster with a shell",
        ),
        "HellKnight": (
            "pain bringer",
            "pain bringer|red armored brute|big red and silver robot|hulking brute with red armor|metal brute|"
            "red robot|red and silver monster|big armored knight in red|silver giant with red armor|"
            "cyborg in red armor|red metal demon|huge red and grey warrior|red armored giant|"
            "muscular robot monster|big strong monster in red armor|mechanical red brute|hell knight",
            "a pain bringer in red armor|hulking metal brute throwing plasma",
        ),
        "BaronOfHell": (
            "pain lord",
            "pain lord|green armored brute|big green and silver robot|giant in green armor|"
            "towering armored monster|green robot|green and silver monster|big armored knight in green|"
            "silver giant with green armor|cyborg in green armor|green metal demon|huge green and grey warrior|"
            "green armored giant|big strong monster in green armor|mechanical green brute|giant green boss",
            "a pain lord in green armor|giant green and silver monster",
        ),
        "Revenant": (
            "octaminator",
            "octaminator|octopus monster|squid monster with rockets|tentacle monster|green squid with missiles|"
            "green octopus soldier|octopus with rocket launchers|squid monster|green tentacle creature|"
            "monster with tentacles|octopus man|squid robot|green octopus|alien with tentacles|"
            "octopus shooting missiles|monster that fires homing rockets|green alien squid",
            "a tentacle monster fires missiles|green octopus monster",
        ),
        "Fatso": (
            "combat slug",
            "combat slug|fat slug|slug with cannons|slug with flamethrowers|huge brown slug|giant snail monster|"
            "giant slug|brown slug with guns|fat brown monster|slimy monster with two cannons|"
            "big snail with guns|huge slug|snail shooting fire|fat monster shooting fireballs|slimy brown beast|"
            "slow fat slug|crawling slug|cannon slug",
            "a combat slug with cannons|huge brown slug monster",
        ),
        "Arachnotron": (
            "technospider",
            "technospider|spider robot|mechanical spider|small robot spider|metal spider|spider machine|"
            "cyber spider|robot spider with a plasma gun|spider with a gun|mech spider|spider on metal legs|"
            "machine with spider legs|crawling robot|walking spider robot|little spider machine|"
            "brain on spider legs|spider|robotic spider shooting plasma",
            "a technospider shooting plasma|robot spider",
        ),
        "PainElemental": (
            "matribite",
            "matribite|floating mother monster|red floating monster|big round red beast|"
            "flying monster that spits skulls|big red flying monster|red floating beast|flying red crab|"
            "round red creature in the air|red ball monster|red flying bug|hovering red monster|"
            "monster that spits out flying skulls|floating red shell creature|fat red flying monster|"
            "red trilobite",
            "a red floating matribite|flying monster that spits out skulls",
        ),
        "Archvile": (
            "necromancer",
            "necromancer|flesh wizard|fire wizard|skinless man|bony sorcerer|evil magician|wizard|evil wizard|"
            "fire mage|sorcerer casting fire|tall thin man without skin|skinny red demon|bloody wizard|"
            "magician who makes flames|monster that sets us on fire|wizard raising the dead|red skinned sorcerer|"
            "mage surrounded by flames|skinless demon",
            "a necromancer casts fire|skinless fire wizard",
        ),
        "Cyberdemon": (
            "assault tripod",
            "assault tripod|giant tripod|three legged machine|tall walking machine|giant tripod robot|"
            "huge three legged monster|giant robot|walking robot with three legs|huge machine with rockets|"
            "tripod|big boss robot|robot boss firing rockets|giant walking machine|mech on three legs|"
            "huge cyborg|alien tripod|big mechanical boss|war machine with rocket launchers",
            "an assault tripod fires rockets|giant walking tripod machine",
        ),
        "SpiderMastermind": (
            "large technospider",
            "large technospider|giant spider machine|huge robot spider|enormous mechanical spider|"
            "giant spider boss|giant spider|big spider robot|huge metal spider|giant mechanical spider|"
            "big spider boss|spider tank|enormous spider with a machine gun|giant robot spider|"
            "large spider machine|huge spider|monster spider with a big gun",
            "a giant spider machine|huge large technospider boss",
        ),
        "WolfensteinSS": (
            "sailor",
            "sailor|sailor with a gun|sailor in a blue jacket|man in a blue shirt|drunken sailor|blue marine|"
            "man in blue|sailor in blue|man in a blue suit|human soldier in blue|seaman with a gun|"
            "guy in a blue coat|man with red hair and a blue jacket|navy man|pirate in blue|blue soldier|"
            "man in blue clothes shooting",
            "a sailor in blue shoots|sailor with a gun",
        ),
    },
)

WEAPONS = _table(
    "weapon",
    {
        "Fist": (
            "fists",
            "fists|bare hands|bare fists|knuckles|naked fists|brass knuckles|empty hands",
            "punching with bare fists|throwing punches",
        ),
        "Chainsaw": (
            "chainsaw",
            "chainsaw|saw|angle grinder|power saw|buzzing saw|chain saw|grinder|roaring saw|electric saw|"
            "whining motor saw|cutting tool|loud power tool|spinning blade|buzzing grinder",
            "cutting with a chainsaw|the buzzing angle grinder",
        ),
        "Pistol": (
            "pistol",
            "pistol|handgun|small gun|little pistol|sidearm|hand gun|little gun|weak pistol|small handgun|"
            "gun in one hand|popping pistol|short gun",
            "firing a pistol|shooting a handgun",
        ),
        "Shotgun": (
            "shotgun",
            "shotgun|pump shotgun|pump gun|hunting shotgun|single barreled shotgun|pump action shotgun|"
            "loud shotgun|long shotgun|black shotgun|shot gun|normal shotgun|booming shotgun|"
            "shotgun with one barrel",
            "shooting a shotgun|pump shotgun blast",
        ),
        "SuperShotgun": (
            "double barreled shotgun",
            "double barreled shotgun|super shotgun|double shotgun|big shotgun with two barrels|"
            "two barreled shotgun|double barrel|double barrel shotgun|powerful shotgun|shotgun with two barrels|"
            "heavy double shotgun|very loud shotgun|twin barrel shotgun|side by side shotgun|big booming shotgun",
            "firing a double barreled shotgun|super shotgun blast",
        ),
        "Chaingun": (
            "minigun",
            "minigun|machine gun|chaingun|gatling gun|automatic gun|rapid fire gun|fast shooting gun|"
            "rattling machine gun|heavy machine gun|automatic rifle|spinning gun|rotating gun|bullet hose|"
            "rattling gun",
            "firing the minigun|machine gun fire",
        ),
        "RocketLauncher": (
            "rocket launcher",
            "rocket launcher|missile launcher|rocket gun|bazooka|rocket cannon|launcher|heavy rocket launcher|"
            "gun that fires rockets|explosive weapon|big launcher|rocket tube|grenade launcher|missile gun",
            "firing a rocket launcher|shooting rockets with the missile launcher",
        ),
        "PlasmaRifle": (
            "plasma gun",
            "plasma gun|plasma rifle|energy rifle|laser gun|blue energy weapon|plasma weapon|laser rifle|"
            "energy gun|blue laser|ray gun|blaster|science fiction gun|humming plasma rifle|"
            "gun that shoots blue balls|electric gun|blue plasma gun",
            "shooting the plasma gun|energy rifle firing blue bolts",
        ),
        "BFG9000": (
            "big energy cannon",
            "big energy cannon|super weapon|giant energy gun|huge plasma cannon|biggest gun|huge energy weapon|"
            "big plasma cannon|giant laser cannon|ultimate weapon|most powerful gun|big gun with a blue ball|"
            "massive energy cannon|enormous gun|giant blue ball gun|huge cannon",
            "firing the big energy cannon|huge blue energy ball from the super weapon",
        ),
    },
)

PICKUPS = _table(
    "pickup",
    {
        "Stimpack": (
            "small health kit",
            "small health kit|little first aid kit|small medical kit|bandage roll|small health pack|"
            "little health pack|small medkit|tiny first aid kit|stim pack|little medical pack|small healing item|"
            "bandage|bit of health|small box of medicine",
            "picking up a small health kit|little first aid kit on the floor",
        ),
        "Medikit": (
            "first aid kit",
            "first aid kit|medical kit|white medical case|big health kit|medkit|health pack|"
            "white box with a cross|large health kit|first aid box|medical case|health box|white health pack|"
            "box of medicine|big medkit|medicine case",
            "picking up a first aid kit|white medical case",
        ),
        "HealthBonus": (
            "health vial",
            "health vial|little green bottle|small vial|health potion|tiny bottle|potion|small potion|"
            "green potion|small bottle|bottle of medicine|health bottle|glass bottle|tiny green vial|"
            "potion bottle|health bonus|flask|magic potion",
            "picking up a health vial|a little green bottle on the ground",
        ),
        "ArmorBonus": (
            "armor shard",
            "armor shard|small red plate|little red armor piece|armor bonus|armor piece|piece of armor|"
            "little armor piece|small piece of armor|bit of armor|small armor bonus|tiny red plate|"
            "fragment of armor|scrap of armor",
            "picking up an armor shard|small red armor piece",
        ),
        "GreenArmor": (
            "green armor",
            "green armor|green armor vest|green vest|green body armor|suit of green armor|green jacket|"
            "light armor|green protective vest|armor vest|green bulletproof vest|light green armor|"
            "green chest plate|set of green armor|body armor",
            "picking up green armor|a green vest on the floor",
        ),
        "BlueArmor": (
            "red armor",
            "red armor|red armor vest|red vest|heavy red armor|suit of red armor|red jacket|heavy armor|"
            "red body armor|red protective vest|strong red armor|red bulletproof vest|red chest plate|"
            "set of red armor|mega armor",
            "picking up red armor|a heavy red armor vest",
        ),
        "Soulsphere": (
            "golden skull orb",
            "golden skull orb|yellow skull ball|yellow orb with a face|golden sphere|yellow ball|golden ball|"
            "yellow sphere|golden orb|yellow glowing ball|gold skull|soul sphere|floating yellow orb|"
            "shining yellow ball|yellow skull orb|health orb",
            "picking up the golden skull orb|yellow ball with a skull face",
        ),
        "Megasphere": (
            "orange screaming orb",
            "orange screaming orb|orange sphere|orange ball with a face|screaming orange ball|orange ball|"
            "orange orb|orange glowing ball|screaming face ball|mega sphere|floating orange orb|orange head|"
            "screaming orb|orange power up",
            "picking up the orange screaming orb|orange ball with a face",
        ),
        "InvulnerabilitySphere": (
            "green star orb",
            "green star orb|green sphere|green ball with a star|green glowing orb|green ball|green orb|star ball|"
            "invincibility orb|invulnerability sphere|glowing green ball|floating green orb|orb with a star|"
            "green power up|green star",
            "picking up the green star orb|green ball with a star",
        ),
        "BlurSphere": (
            "dark ghost orb",
            "dark ghost orb|black sphere|invisibility orb|dark ball|black ball|black orb|dark sphere|"
            "invisibility sphere|ghost ball|dark orb|shadow orb|floating black ball|orb that makes you invisible|"
            "dark power up",
            "picking up the dark ghost orb|black invisibility sphere",
        ),
        "Berserk": (
            "berserk pack",
            "berserk pack|red strength pack|skull and red box|berserk box|strength pack|berserk power up|"
            "red box with a skull|rage pack|red berserk kit|black medical kit|power pack for punching|"
            "strength power up|red power up",
            "picking up a berserk pack|red strength pack with a skull",
        ),
        "RadSuit": (
            "radiation suit",
            "radiation suit|white space suit|silver suit|hazard suit|protective suit|space suit|"
            "anti radiation suit|silver space suit|hazmat suit|suit against radiation|white suit|chemical suit|"
            "astronaut suit|rubber suit|full body suit",
            "picking up a radiation suit|silver space suit standing there",
        ),
        "Infrared": (
            "night vision goggles",
            "pair of night vision goggles|pair of green goggles|pair of light goggles|visor|pair of goggles|"
            "night vision visor|pair of glasses|light visor|night vision device|pair of infrared goggles|"
            "pair of special glasses|green visor",
            "picking up night vision goggles|green goggles on the floor",
        ),
        "Backpack": (
            "backpack",
            "backpack|brown backpack|bag of ammo|ammo backpack|rucksack|brown bag|bag|bag full of ammo|"
            "big brown bag|backpack full of ammo|sack of ammo|travel bag|leather backpack|school bag",
            "picking up a backpack|brown bag on the ground",
        ),
        "Clip": (
            "bullet clip",
            "bullet clip|ammo clip|small magazine|handful of bullets|magazine|clip|clip of bullets|"
            "pistol magazine|small ammo clip|gun magazine|bit of ammo|bullet magazine|small pack of bullets",
            "picking up a bullet clip|small ammo clip",
        ),
        "ClipBox": (
            "box of bullets",
            "box of bullets|green ammo box|case of ammo|bullet box|ammo box|box of ammo|green box of bullets|"
            "ammunition box|green ammo case|big box of bullets|case of bullets|box full of bullets|"
            "green metal box",
            "picking up a box of bullets|green ammo box",
        ),
        "ShellBox": (
            "box of shells",
            "box of shells|red box of shotgun shells|shell box|pack of shotgun ammo|box of shotgun shells|"
            "red ammo box|red shell box|pack of shells|big box of shells|shotgun shell box|box of shotgun ammo|"
            "red box|carton of shells",
            "picking up a box of shells|red box of shotgun ammo",
        ),
        "RocketBox": (
            "crate of rockets",
            "crate of rockets|box of rockets|grey crate|rocket crate|box of missiles|rocket box|"
            "crate of missiles|grey box of rockets|case of rockets|big crate of rockets|crate full of rockets|"
            "pack of rockets|rocket ammo crate|grey box",
            "picking up a crate of rockets|grey rocket box",
        ),
        "CellPack": (
            "energy pack",
            "energy pack|big energy cell|battery pack|pack of blue energy cells|pack of power cells|battery|"
            "big battery|cell pack|energy cell pack|power pack|pack of cells|pack of plasma ammo|"
            "pack of batteries|large battery|energy battery",
            "picking up an energy pack|big battery with blue cells",
        ),
        "RedCard": (
            "red key",
            "red key|red key card|red pass card|red keycard|key card|red card|red pass|red access card|"
            "key for the red door|red security card|red door key",
            "picking up the red key|red key card",
        ),
        "BlueCard": (
            "blue key",
            "blue key|blue key card|blue pass card|blue keycard|blue card|blue pass|blue access card|"
            "key for the blue door|blue security card|blue door key",
            "picking up the blue key|blue key card",
        ),
        "YellowSkull": (
            "yellow skull key",
            "yellow skull key|golden skull key|yellow demon key|little golden idol|yellow key|skull key|"
            "golden key|gold skull|key with a skull|small golden skull|yellow skull|key for the yellow door|"
            "golden idol|yellow door key",
            "picking up the yellow skull key|golden skull key",
        ),
        "Shotgun": (
            "shotgun",
            "shotgun|pump shotgun|pump gun|pump action shotgun|hunting shotgun|shot gun|single barreled shotgun|"
            "black shotgun|normal shotgun|new shotgun|long shotgun",
            "picking up a shotgun|there is a shotgun on the floor",
        ),
        "SuperShotgun": (
            "double barreled shotgun",
            "double barreled shotgun|super shotgun|double shotgun|two barrel shotgun|double barrel shotgun|"
            "shotgun with two barrels|big shotgun|powerful shotgun|twin barrel shotgun|heavy shotgun|"
            "two barreled shotgun|strong shotgun",
            "picking up a double barreled shotgun|the super shotgun lies on the floor",
        ),
        "Chaingun": (
            "minigun",
            "minigun|machine gun|gatling gun|chaingun|automatic gun|heavy machine gun|rapid fire gun|"
            "big machine gun|new machine gun|fast shooting gun|automatic rifle|rotating gun",
            "picking up the minigun|a machine gun lies on the floor",
        ),
        "RocketLauncher": (
            "rocket launcher",
            "rocket launcher|missile launcher|bazooka|rocket gun|rocket cannon|launcher|heavy rocket launcher|"
            "gun that fires rockets|explosive weapon|missile gun|big launcher|grenade launcher",
            "picking up the rocket launcher|a missile launcher lies on the floor",
        ),
        "PlasmaRifle": (
            "plasma gun",
            "plasma gun|plasma rifle|energy rifle|laser gun|plasma weapon|laser rifle|energy gun|ray gun|blaster|"
            "science fiction gun|blue laser gun|energy weapon",
            "picking up the plasma gun|an energy rifle lies on the floor",
        ),
        "Chainsaw": (
            "chainsaw",
            "chainsaw|power saw|angle grinder|saw|chain saw|electric saw|grinder|cutting tool|power tool|"
            "motor saw|big saw|tool for cutting",
            "picking up a chainsaw|a power saw lies on the floor",
        ),
        "BFG9000": (
            "big energy cannon",
            "big energy cannon|super weapon|giant energy gun|biggest gun|huge energy weapon|big plasma cannon|"
            "ultimate weapon|most powerful gun|huge plasma cannon|giant laser cannon|massive energy cannon|"
            "enormous gun|huge cannon",
            "picking up the big energy cannon|the super weapon lies on the floor",
        ),
        "Allmap": (
            "computer map",
            "computer map|map tablet|green screen|handheld computer|tablet with a map|map|tablet|level map|"
            "computer with a map|small computer|map of the level|electronic map|small green screen|area map",
            "picking up the computer map|a tablet with a green screen",
        ),
    },
)

THINGS = _table(
    "thing",
    {
        "BigTree": (
            "bare tree",
            "bare tree|dead tree|leafless tree|big dead tree|twisted tree|tree|tree without leaves|brown tree|"
            "big tree|old tree|dry tree|large bare tree|tree with bare branches|withered tree|dark tree trunk|"
            "tree with no leaves",
            "a bare dead tree|leafless tree",
        ),
        "Stalagtite": (
            "green tree",
            "green tree|leafy tree|small green tree|bush|tree with green leaves|little tree|small tree|"
            "green bush|tree|young green tree|green plant|plant|tree full of leaves|living tree|small leafy tree",
            "a green leafy tree|small green tree",
        ),
        "TechPillar": (
            "computer pillar",
            "computer pillar|tech column|metal pillar with a blue screen|tall computer column|computer|"
            "metal column|machine pillar|tech pillar|technical column|pillar with lights|computer tower|"
            "blue screen on a pillar|metal machine|electronic pillar|steel column",
            "a tall computer pillar|metal pillar with a blue screen",
        ),
        "TechLamp": (
            "lamp",
            "lamp|tall lamp|lamp post|electric lamp|floor lamp|light|bright lamp|standing lamp|tall light|"
            "street lamp|metal lamp|white lamp|electric light|light pole|lamp giving light",
            "a tall lamp|electric lamp post",
        ),
        "BurningBarrel": (
            "burning barrel",
            "burning barrel|fire barrel|barrel on fire|campfire in a barrel|fire in a can|fire in a barrel|"
            "barrel with flames|flaming barrel|fire|barrel full of fire|burning trash can|oil drum on fire|"
            "small fire|metal barrel with fire|open fire",
            "a burning barrel|fire in a barrel",
        ),
        "RedTorch": (
            "red torch",
            "red torch|torch with a red flame|red fire|tall red torch|torch|burning torch|torch burning red|"
            "red flame|red burning torch|fire on a pole|flame on a stick|flaming red torch|"
            "torch stand with red fire|red fire on a stand|red torch light|red glowing torch",
            "a torch with a red flame|red torch",
        ),
        "BlueTorch": (
            "blue torch",
            "blue torch|torch with a blue flame|blue fire|tall blue torch|torch|burning torch|torch burning blue|"
            "blue flame|blue burning torch|blue fire on a pole|flaming blue torch|torch stand with blue fire|"
            "blue fire on a stand|blue torch light|blue glowing torch",
            "a torch with a blue flame|blue torch",
        ),
        "GreenTorch": (
            "green torch",
            "green torch|torch with a green flame|green fire|tall green torch|torch|burning torch|"
            "torch burning green|green flame|green burning torch|green fire on a pole|flaming green torch|"
            "torch stand with green fire|green fire on a stand|green torch light|green glowing torch",
            "a torch with a green flame|green torch",
        ),
        "EvilEye": (
            "red eye",
            "red eye|evil eye|giant eye|eye in a claw|big staring eye|eyeball|huge red eye|big eye|floating eye|"
            "eye on a stand|giant eyeball|watching eye|red eyeball|scary eye|eye looking at us|glowing red eye",
            "a giant evil eye|red eye in a claw",
        ),
        "Meat2": (
            "hanging corpse",
            "hanging corpse|hanging body|dead body on a chain|hanged dead man|hanging dead body|"
            "corpse on a chain|dead man hanging from the ceiling|body hanging down|hanged man|bloody body|"
            "dead body|corpse|hanging victim|red bloody corpse|dead person hanging",
            "a corpse hanging from the ceiling|dead body on a chain",
        ),
        "LiveStick": (
            "impaled body",
            "impaled body|impaled man|body on a spike|man on a stake|man on a spike|body on a pole|"
            "bloody body on a pole|corpse on a spike|impaled corpse|impaled person|dead man on a pole|"
            "dead body on a stake|bloody corpse|victim on a spear|human on a spike",
            "an impaled man on a spike|body on a stake",
        ),
        "TallGreenColumn": (
            "green pillar",
            "green pillar|green column|green marble pillar|tall green column|tall green pillar|"
            "green stone pillar|pillar|stone column|column in green|marble column|big green pillar|green post|"
            "green stone column|green marble column",
            "a green pillar|green marble column",
        ),
        "TallRedColumn": (
            "red pillar",
            "red pillar|red column|red marble pillar|tall red column|tall red pillar|red stone pillar|pillar|"
            "stone column|column in red|marble column|big red pillar|red post|red stone column|red marble column",
            "a red pillar|red marble column",
        ),
    },
)

# These phrases tell where: they stand at a sentence's end.
PLACES = _table(
    "place",
    {
        "water": (
            "water",
            "in the water|in blue water|knee deep in water|in a pool|in water|in the blue water|in a blue pool|"
            "in a river|in a lake|in shallow water|on wet ground|in a flooded place|near the water|"
            "in a water channel|in a pond",
            "walking in blue water|wading through a pool",
        ),
        "slime": (
            "slime",
            "in green slime|in toxic slime|in green acid|in the toxic waste|in green liquid|in poison|"
            "in the acid|in slime|in the slime|in radioactive waste|in poisonous slime|in nuclear waste|"
            "in a pool of acid|in toxic liquid|in dangerous slime|in the green goo",
            "walking in green slime|toxic green waste",
        ),
        "sludge": (
            "sludge",
            "in brown mud|in muddy water|in dirty sludge|in the swamp|in the mud|in dirty water|in mud|"
            "in a swamp|in brown water|in a muddy place|in sewage|in the sewer|in brown slime|in dirt|"
            "on muddy ground|in filthy water",
            "walking through brown mud|dirty muddy sludge",
        ),
        "lava": (
            "lava",
            "in the lava|on burning lava|in molten lava|on hot glowing lava|in hot lava|on lava|in a lava river|"
            "in a lake of fire|in a lava pool|on red hot lava|on the burning floor|in liquid fire|"
            "in a river of lava|in orange lava|in the fire|in magma",
            "walking on lava|burning hot molten lava",
        ),
        "hot rocks": (
            "hot rocks",
            "on hot rocks|on glowing red rocks|on cracked hot ground|on burning stones|on red rocks|"
            "on hot ground|on glowing stones|on burning rocks|on red hot ground|on red stone|on volcanic rock|"
            "on very hot stones|on a cracked red floor|on hot red stones|in a volcano|in hell",
            "hot glowing red rocks|walking on cracked burning ground",
        ),
        "blood": (
            "blood",
            "in a pool of blood|in the blood|in red blood|in a river of blood|in blood|in a lot of blood|"
            "on a bloody floor|in red liquid|in a lake of blood|in a bloody pool|in the red pool|"
            "knee deep in blood|in a bath of blood|on a floor full of blood",
            "walking in a pool of blood|river of blood",
        ),
        "grass": (
            "grass",
            "on the grass|on a green lawn|on the green grass|on a grassy field|on grass|in the grass|"
            "on fresh green grass|on a meadow|in a green field|on the lawn|in a garden|on grassy ground|"
            "in the meadow|on a green meadow|in a park",
            "walking on green grass|a grassy field",
        ),
        "outdoors": (
            "outdoors",
            "outdoors|outside|under the open sky|outside in the open|out in the yard|in the courtyard|"
            "in the open|in the open air|under the sky|outside the building|in a yard|in nature|in an open area|"
            "outside the base|with the sky above us|in the fresh air",
            "outdoors under the open sky|outside in the yard",
        ),
        "dark": (
            "dark",
            "in the dark|in a dark room|in the shadows|in the gloomy darkness|in darkness|in a dark place|"
            "in a dark corridor|in dim light|where there is hardly any light|in a dark hall|in a black room|"
            "in a place as dark as night|in a dark corner|in a gloomy room|in a dark tunnel|"
            "in a place with little light",
            "in a dark room|walking in the dark",
        ),
        "bright": (
            "bright",
            "in a bright room|in the bright light|in a well lit hall|under bright lights|in bright light|"
            "in a bright place|in a lit room|in a well lit room|in a white room|in a bright hall|in full light|"
            "in a brightly lit place|with all the lights on",
            "in a bright well lit room|bright lights",
        ),
        "indoors": (
            "indoors",
            "inside|indoors|in a room|in the hallway|in this corridor|inside the base|inside the building|"
            "in a corridor|in a hall|in a hallway|in a building|inside a building|in the base|in the room|"
            "in a passage|in a chamber|inside the house",
            "inside a building|in a hallway",
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

# These phrases are the words for what the action is done to, where there are any.
ACTIONS = _table(
    "action",
    {
        "door": (
            "door",
            "door|closed door|gate|big door|heavy door|sliding door|entrance|doorway|entrance door|exit door",
            "opening a door|the door slides open",
        ),
        "lift": (
            "lift",
            "lift|elevator|platform|moving platform|lift platform|elevator platform|moving floor|lifting platform",
            "riding a lift|the elevator platform moves",
        ),
        "switch": (
            "switch",
            "switch|button|wall switch|switch on the wall|button on the wall|control panel|panel|lever|wall button",
            "pressing a switch|pushing a button on the wall",
        ),
        "teleport": (
            "teleport",
            "teleporter|teleport pad|portal|teleport|teleport gate|magic portal|teleporter pad|warp gate|"
            "teleport machine",
            "stepping into a teleporter|teleporting to another place",
        ),
        "barrel": (
            "barrel explosion",
            "barrel|explosive barrel|fuel barrel|oil barrel|oil drum|barrel of fuel|gas barrel|"
            "barrel of explosives|drum",
            "a barrel explodes|shooting an explosive barrel",
        ),
        "death": (
            "player death",
            "",
            "the player dies|we get killed and fall to the floor",
        ),
        "kill": (
            "kill",
            "",
            "the monster dies|killing a monster",
        ),
        "fire": (
            "fire",
            "",
            "shooting at the wall|firing a gun with nobody around",
        ),
        "fight": (
            "fight",
            "monster|enemy|creature|beast|demon|foe|opponent|bad guy",
            "fighting a monster|shooting at a monster",
        ),
        "monster": (
            "monster attack",
            "monster|creature|beast|enemy|demon|foe|bad guy|evil creature|scary monster|dangerous beast",
            "a monster attacks us|dodging a monster",
        ),
        "pickup": (
            "pickup",
            "item|thing|object|power up|useful item|bonus|new item|piece of equipment",
            "picking something up|grabbing an item from the floor",
        ),
        "explore": (
            "explore",
            "",
            "just walking around|exploring the level",
        ),
    },
)

SUBJECTS: tuple[Subject, ...] = tuple(
    subject for table in (WEAPONS, MONSTERS, PICKUPS, THINGS, PLACES, ACTIONS) for subject in table.values()
)
CONCEPT_QUERIES: dict[str, list[str]] = {s.concept: list(s.queries) for s in SUBJECTS}
BY_CONCEPT: dict[str, Subject] = {s.concept: s for s in SUBJECTS}

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
