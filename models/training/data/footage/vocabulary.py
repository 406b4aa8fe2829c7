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
            "zombie in ragged clothes|zombie with a gun|undead man with a gun|shirtless zombie|pale zombie|"
            "half naked zombie with a gun|zombie with a bloody chest|pale man with a gun|"
            "shirtless man with a rifle|guy with a rifle|bloody soldier|zombie in torn clothes|rotten soldier|"
            "pale soldier shooting|man with a bloody shirt|zombie gunman|ordinary zombie|"
            "soldier with a torn shirt|pale bloody man|man with a gun|guy with a gun|soldier|soldier with a gun",
            "a zombie soldier attacks|shooting at an undead rifleman",
        ),
        "ShotgunGuy": (
            "shotgun zombie",
            "shotgun zombie|zombie with a shotgun|dark zombie in black armor|undead guard with a shotgun|"
            "black clad zombie|zombie in black|dead soldier with a shotgun|man in black with a shotgun|"
            "shotgun soldier|zombie wearing black clothes|shotgun guy|black zombie soldier|"
            "undead shotgun sergeant|dark armored zombie|zombie in a black helmet|zombie|undead soldier|"
            "armed zombie|zombie with a gun|undead man with a gun|man in black armor|guy in black|"
            "guy with a shotgun|soldier in black|dark soldier|bald zombie in black armor|"
            "guard in a black uniform|zombie in dark clothes|person in black|zombie policeman in black|"
            "dark guard|zombie in a black suit|man with a shotgun|bald man in black|dark figure with a shotgun|"
            "black armored soldier|enemy dressed in black|man with a gun|guy with a gun|soldier|"
            "soldier with a gun",
            "a zombie with a shotgun|shotgun zombie shooting at us",
        ),
        "ChaingunGuy": (
            "minigun zombie",
            "minigun zombie|zombie with a minigun|heavy zombie in grey armor|chaingun zombie|"
            "armored zombie gunner|zombie with a machine gun|big grey zombie|zombie in heavy armor|"
            "machine gun soldier|heavy gunner|armored soldier with a machine gun|zombie with a gatling gun|"
            "chaingun guy|big zombie spraying bullets|strong zombie in metal armor|zombie|undead soldier|"
            "armed zombie|zombie with a gun|undead man with a gun|white armored soldier|soldier in white armor|"
            "zombie in white armor|man in grey armor|big soldier in armor|guy in metal armor|"
            "guy with a machine gun|man with a machine gun|robot soldier|heavily armored soldier|armored zombie|"
            "zombie with red boots|man in a metal suit|armored man with a big gun|big armored trooper|"
            "space soldier in white|bulky zombie|trooper in white armor|soldier with a gatling gun|"
            "white and red soldier|man with a gun|guy with a gun|soldier|soldier with a gun",
            "a zombie with a minigun|armored minigun zombie firing",
        ),
        "DoomImp": (
            "serpentipede",
            "serpentipede|snake centipede|brown centipede monster|many armed brown monster|"
            "centipede throwing fireballs|red headed insect monster|brown insect creature|bug with many legs|"
            "horned insect demon|snake with many arms|monster throwing fireballs|giant centipede|brown bug|imp|"
            "insect with a red head|tall brown demon|creature that throws fire|serpent with arms|"
            "big worm with many arms|insect monster|brown insect|thin monster with many arms|standing centipede|"
            "tall bug with a red head|centipede|big insect|giant bug|bug monster|brown monster with a red head|"
            "alien insect|dark insect creature|standing worm with arms|monster with many legs|"
            "monster shooting fireballs|skinny bug monster|cockroach monster|insect throwing fire|"
            "ugly brown insect|brown alien with many arms|millipede|red and brown monster|"
            "monster with long thin arms",
            "a serpentipede throws fireballs|brown centipede monster",
        ),
        "Demon": (
            "flesh worm",
            "flesh worm|pink worm|biting worm|fleshy worm monster|fat pink maggot|giant worm|big pink worm|"
            "huge pink slug|pink demon with teeth|worm with a big mouth|pink meat monster|red pink snake|"
            "toothy pink worm|pink creature|fat worm|worm that bites|pink biting beast|crawling pink worm|"
            "slithering worm|worm monster|big worm|pink snake|pink monster|pink slug|pink tube with teeth|"
            "giant pink maggot|pink fleshy creature|pink worm with a flower mouth|"
            "pink monster with a star shaped mouth|fat pink snake|worm with teeth|meat worm|pink alien worm|"
            "pink tentacle with a mouth|huge earthworm|snake without eyes|pink beast with a big mouth|"
            "disgusting pink worm|giant leech|hungry pink worm|slimy pink monster|red mouthed worm|"
            "pink thing with teeth",
            "a pink flesh worm bites|giant biting worm",
        ),
        "Spectre": (
            "stealth worm",
            "stealth worm|invisible worm|half invisible worm|shadowy worm|see through monster|ghostly worm|"
            "blurry monster|invisible monster|ghost worm|nearly invisible creature|hidden worm|shadow monster|"
            "ghost monster|invisible demon|blurry shadow|monster you can hardly see|faint shadowy beast|"
            "dark blurry worm|worm monster|big worm|transparent worm|see through worm|pale worm|"
            "transparent monster|faded worm|blurred worm|invisible snake|transparent snake|almost invisible worm|"
            "half transparent creature|faint worm|worm you can see through|camouflaged worm|white ghostly worm|"
            "hardly visible monster|shimmering worm|blurry thing|pale see through snake|worm like a ghost|"
            "translucent monster|nearly invisible worm|fading monster",
            "an invisible stealth worm|shadowy half invisible monster",
        ),
        "LostSoul": (
            "deadflare",
            "deadflare|flying skull|burning skull|flaming flying head|small floating fire creature|"
            "glowing flying orb|skull on fire|flying head in flames|floating skull|fiery skull|"
            "flying ball of fire|burning head|small flying monster|skull with flames|orange flying skull|"
            "lost soul|flying fireball with a face|little burning ghost|flying monster|floating monster|"
            "flying creature|flying egg|egg with a face|floating egg|round flying head|beige ball with legs|"
            "flying ball with a face|striped flying ball|flying egg with tentacles|round creature with pink legs|"
            "floating head|egg monster|floating ball creature|yellow flying head|small flying creature|"
            "pale flying ball|small round flying monster|flying jellyfish|floating ball with tentacles|"
            "flying thing with a face|round striped creature|hovering head|little flying monster|"
            "flying head with an orange face|beige flying monster",
            "a deadflare flies at us|burning flying skull",
        ),
        "Cacodemon": (
            "trilobite",
            "trilobite|floating trilobite|floating blue beast|flying shell monster|big floating blue monster|"
            "flying crab monster|flying blue monster|blue flying beast|big round flying monster|"
            "floating monster with a shell|flying blue crab|floating bug|armored flying creature|"
            "blue floating ball monster|hovering blue beast|flying sea creature|monster floating in the air|"
            "blue alien floating in the air|flying monster|floating monster|flying creature|blue and gold beetle|"
            "flying blue beetle|giant flying bug|blue bug|blue and yellow flying monster|striped flying monster|"
            "blue monster with tentacles|floating beetle|flying insect|blue insect|"
            "flying monster with red tentacles|hovering bug|blue and gold monster|floating blue thing|"
            "giant blue bug|flying alien|blue alien bug|monster spitting blue balls|blue shell creature|"
            "flying lobster|round blue beast|blue and brown flying monster|blue monster|"
            "floating monster shooting blue energy",
            "a floating trilobite|big blue flying monster with a shell",
        ),
        "HellKnight": (
            "pain bringer",
            "pain bringer|red armored brute|big red and silver robot|hulking brute with red armor|metal brute|"
            "red robot|red and silver monster|big armored knight in red|silver giant with red armor|"
            "cyborg in red armor|red metal demon|huge red and grey warrior|red armored giant|"
            "muscular robot monster|big strong monster in red armor|mechanical red brute|hell knight|big robot|"
            "metal monster|silver robot|robot throwing green balls|metal giant|monster throwing green fire|"
            "huge robot warrior|silver metal demon|white robot with red parts|silver robot with red shoulders|"
            "red and white robot|grey robot with red armor|red armored robot|robot with red details|red cyborg|"
            "metal monster with red armor|silver beast with a red chest|big guy in red armor|red and grey robot|"
            "red knight|robot in red armor|red metal monster|tall red and silver beast",
            "a pain bringer in red armor|hulking metal brute throwing plasma",
        ),
        "BaronOfHell": (
            "pain lord",
            "pain lord|green armored brute|big green and silver robot|giant in green armor|"
            "towering armored monster|green robot|green and silver monster|big armored knight in green|"
            "silver giant with green armor|cyborg in green armor|green metal demon|huge green and grey warrior|"
            "green armored giant|big strong monster in green armor|mechanical green brute|giant green boss|"
            "big robot|metal monster|silver robot|robot throwing green balls|metal giant|"
            "monster throwing green fire|huge robot warrior|silver metal demon|white robot with green parts|"
            "silver robot with green shoulders|green and white robot|grey robot with green armor|"
            "green armored robot|robot with green details|green cyborg|metal monster with green armor|"
            "silver beast with green arms|big guy in green armor|green and grey robot|green knight|"
            "robot in green armor|green metal monster|tall green and silver beast",
            "a pain lord in green armor|giant green and silver monster",
        ),
        "Revenant": (
            "octaminator",
            "octaminator|octopus monster|squid monster with rockets|tentacle monster|green squid with missiles|"
            "green octopus soldier|octopus with rocket launchers|squid monster|green tentacle creature|"
            "monster with tentacles|octopus man|squid robot|green octopus|alien with tentacles|"
            "octopus shooting missiles|monster that fires homing rockets|green alien squid|"
            "green monster with tentacle legs|soldier with tentacle legs|green robot with tentacles|"
            "green soldier with octopus legs|alien with red eyes|green camouflage monster|"
            "monster with octopus legs|green alien|squid soldier|green creature with red eyes|"
            "monster with many red eyes|half robot half octopus|octopus|squid|octopus alien|"
            "green monster with red lights|walking octopus|cyborg octopus|creature with white tentacles|"
            "squid alien|tentacle robot|green robot on tentacles|green monster",
            "a tentacle monster fires missiles|green octopus monster",
        ),
        "Fatso": (
            "combat slug",
            "combat slug|fat slug|slug with cannons|slug with flamethrowers|huge brown slug|giant snail monster|"
            "giant slug|brown slug with guns|fat brown monster|slimy monster with two cannons|"
            "big snail with guns|huge slug|snail shooting fire|fat monster shooting fireballs|slimy brown beast|"
            "slow fat slug|crawling slug|cannon slug|snail|slug|giant snail|beige slug with two guns|"
            "snail with two guns|snail monster|slug monster|fat blob|brown blob with guns|big beige slug|"
            "slug tank|blob monster|monster like a snail|slug with two cannons on its back|giant slug with guns|"
            "pile of meat with guns|big fat snail|crawling blob|slug with orange cannons|soft brown monster|"
            "giant slimy snail|brown snail|fat beige monster|blob with two guns",
            "a combat slug with cannons|huge brown slug monster",
        ),
        "Arachnotron": (
            "technospider",
            "technospider|spider robot|mechanical spider|small robot spider|metal spider|spider machine|"
            "cyber spider|robot spider with a plasma gun|spider with a gun|mech spider|spider on metal legs|"
            "machine with spider legs|crawling robot|walking spider robot|little spider machine|"
            "brain on spider legs|spider|robotic spider shooting plasma|spider monster|robot spider|small spider|"
            "small mechanical spider|robot crab|white legged robot|little robot with legs|silver spider|"
            "small spider monster|small robot|mechanical crab|spider cyborg|grey robot spider|"
            "robot with thin legs|metal bug|robot bug shooting green balls|small walker robot|"
            "spider with metal legs|white robot spider|alien spider|insect robot|spider shooting green plasma|"
            "little metal crab",
            "a technospider shooting plasma|robot spider",
        ),
        "PainElemental": (
            "matribite",
            "matribite|floating mother monster|red floating monster|big round red beast|"
            "flying monster that spits skulls|big red flying monster|red floating beast|flying red crab|"
            "round red creature in the air|red ball monster|red flying bug|hovering red monster|"
            "monster that spits out flying skulls|floating red shell creature|fat red flying monster|"
            "red trilobite|flying monster|floating monster|flying creature|big mouth with teeth|flying mouth|"
            "red monster with a huge mouth|floating mouth full of teeth|red and brown flying monster|"
            "flying demon head|round monster with horns|floating monster with white tentacles|"
            "red flying beast with teeth|ugly flying face|flying red head|big round monster|"
            "red horned flying monster|toothy flying monster|giant flying head|floating beast with an open mouth|"
            "red flying monster with big teeth|huge floating mouth|monster spitting flying heads|"
            "red monster in the air|brown flying monster with teeth",
            "a red floating matribite|flying monster that spits out skulls",
        ),
        "Archvile": (
            "necromancer",
            "necromancer|flesh wizard|fire wizard|skinless man|bony sorcerer|evil magician|wizard|evil wizard|"
            "fire mage|sorcerer casting fire|tall thin man without skin|skinny red demon|bloody wizard|"
            "magician who makes flames|monster that sets us on fire|wizard raising the dead|red skinned sorcerer|"
            "mage surrounded by flames|skinless demon|red man|red skeleton|man without skin|skinless monster|"
            "tall red man|bloody man|red glowing man|man made of meat|thin red demon|red devil|bloody skeleton|"
            "red human figure|skinny red monster|burning man|monster surrounded by fire|red demon making fire|"
            "creature with visible muscles|red wizard|monster in flames|fire demon|bony red creature|"
            "man with red skin|sorcerer in flames|devil casting fire|skinned man|"
            "red creature with flames around it|man on fire|thin bloody monster",
            "a necromancer casts fire|skinless fire wizard",
        ),
        "Cyberdemon": (
            "assault tripod",
            "assault tripod|giant tripod|three legged machine|tall walking machine|giant tripod robot|"
            "huge three legged monster|giant robot|walking robot with three legs|huge machine with rockets|"
            "tripod|big boss robot|robot boss firing rockets|giant walking machine|mech on three legs|"
            "huge cyborg|alien tripod|big mechanical boss|war machine with rocket launchers|golden tripod|"
            "gold robot|golden robot with three legs|shiny robot on three legs|tall golden machine|"
            "robot on long legs|yellow metal monster|giant metal monster|huge robot|tall robot|towering robot|"
            "three legged robot|three legged alien|silver and gold machine|giant walking robot|robot walker|"
            "big machine shooting rockets|alien walker|enormous tripod|boss with rockets|mechanical giant|"
            "tall thing on three legs|huge alien machine|giant robot with long legs|golden alien machine|"
            "three legged monster",
            "an assault tripod fires rockets|giant walking tripod machine",
        ),
        "SpiderMastermind": (
            "large technospider",
            "large technospider|giant spider machine|huge robot spider|enormous mechanical spider|"
            "giant spider boss|giant spider|big spider robot|huge metal spider|giant mechanical spider|"
            "big spider boss|spider tank|enormous spider with a machine gun|giant robot spider|"
            "large spider machine|huge spider|monster spider with a big gun|spider|spider robot|"
            "mechanical spider|spider monster|robot spider|spider machine|metal spider|big spider|"
            "big black spider|dark giant spider|black spider machine|huge dark machine with orange light|"
            "giant crab robot|big spider with a glowing front|enormous robot|black and orange machine|"
            "wide black robot|massive spider|dark machine with legs|giant metal crab|spider with an orange glow|"
            "spider boss|huge black insect|giant spider with a brain|big dark robot with legs|"
            "enormous dark spider|black robot with an orange belly|huge crab machine",
            "a giant spider machine|huge large technospider boss",
        ),
        "WolfensteinSS": (
            "sailor",
            "sailor|sailor with a gun|sailor in a blue jacket|man in a blue shirt|drunken sailor|blue marine|"
            "man in blue|sailor in blue|man in a blue suit|human soldier in blue|seaman with a gun|"
            "guy in a blue coat|man with red hair and a blue jacket|navy man|pirate in blue|blue soldier|"
            "man in blue clothes shooting|man with red hair|red haired man|man in a blue jacket|guy in blue|"
            "guy in a blue jacket|human in a blue shirt|cartoon man in blue|human enemy in blue|"
            "soldier in a blue uniform|sea captain|captain in blue|officer in a blue coat|man in blue and brown|"
            "man in brown pants|person in blue|navy soldier|red headed guy|man with a red hat|"
            "guy in a blue uniform with a gun|ship captain|naval officer|man in a blue uniform|blue jacket guy|"
            "normal looking man in blue|enemy in a blue coat|man with a gun|guy with a gun|soldier|"
            "soldier with a gun",
            "a sailor in blue shoots|sailor with a gun",
        ),
    },
)

WEAPONS = _table(
    "weapon",
    {
        "Fist": (
            "fists",
            "fists|bare hands|bare fists|knuckles|naked fists|brass knuckles|empty hands|naked hands|own hands|"
            "own fists|clenched fists|both hands|both fists|plain hands|strong fists|hands without a weapon|"
            "hard knuckles|human hands|closed fists|bare knuckles|boxing hands",
            "punching with bare fists|throwing punches",
        ),
        "Chainsaw": (
            "chainsaw",
            "chainsaw|saw|angle grinder|power saw|buzzing saw|chain saw|grinder|roaring saw|electric saw|"
            "whining motor saw|cutting tool|loud power tool|spinning blade|buzzing grinder|motor saw|noisy saw|"
            "grey blade|long blade|big saw|metal blade|power cutter|machine saw|saw with an engine|loud saw|"
            "sharp saw|cutting machine|engine saw|wood saw|power tool|cutter|saw blade|long metal saw|"
            "noisy cutting machine",
            "cutting with a chainsaw|the buzzing angle grinder",
        ),
        "Pistol": (
            "pistol",
            "pistol|handgun|small gun|little pistol|sidearm|hand gun|little gun|weak pistol|small handgun|"
            "gun in one hand|popping pistol|short gun|gun|weapon|basic pistol|small grey gun|silver pistol|"
            "simple gun|starting gun|tiny gun|little handgun|grey handgun|ordinary pistol|revolver|small weapon|"
            "police gun|gun held in one hand|weak gun|grey pistol|one handed gun|hand pistol",
            "firing a pistol|shooting a handgun",
        ),
        "Shotgun": (
            "shotgun",
            "shotgun|pump shotgun|pump gun|hunting shotgun|single barreled shotgun|pump action shotgun|"
            "loud shotgun|long shotgun|black shotgun|shot gun|normal shotgun|booming shotgun|"
            "shotgun with one barrel|gun|weapon|long gun|rifle|pump action gun|grey shotgun|dark shotgun|"
            "strong gun|loud gun|hunting gun|single shotgun|gun with a long barrel|combat shotgun|hunting rifle|"
            "regular shotgun|shotgun with a pump|long black gun|simple shotgun|long dark gun|"
            "single barrel shotgun",
            "shooting a shotgun|pump shotgun blast",
        ),
        "SuperShotgun": (
            "double barreled shotgun",
            "double barreled shotgun|super shotgun|double shotgun|big shotgun with two barrels|"
            "two barreled shotgun|double barrel|double barrel shotgun|powerful shotgun|shotgun with two barrels|"
            "heavy double shotgun|very loud shotgun|twin barrel shotgun|side by side shotgun|big booming shotgun|"
            "gun|weapon|shotgun|gun with two barrels|two barrel gun|double gun|grey gun with two tubes|"
            "strong shotgun|wide shotgun|short double shotgun|double barreled gun|old double shotgun|"
            "two tube shotgun|massive shotgun|big double gun|twin shotgun|shotgun with two tubes|"
            "gun with twin barrels|big loud shotgun",
            "firing a double barreled shotgun|super shotgun blast",
        ),
        "Chaingun": (
            "minigun",
            "minigun|machine gun|chaingun|gatling gun|automatic gun|rapid fire gun|fast shooting gun|"
            "rattling machine gun|heavy machine gun|automatic rifle|spinning gun|rotating gun|bullet hose|"
            "rattling gun|gun|weapon|fast gun|repeating gun|mini gun|quick firing gun|gun with many barrels|"
            "rotating barrel gun|gun spraying bullets|big metal gun|round metal gun|grey machine gun|"
            "big automatic gun|rapid gun|large machine gun|spinning barrel gun|gun shooting very fast|"
            "powerful machine gun|loud machine gun|big gun",
            "firing the minigun|machine gun fire",
        ),
        "RocketLauncher": (
            "rocket launcher",
            "rocket launcher|missile launcher|rocket gun|bazooka|rocket cannon|launcher|heavy rocket launcher|"
            "gun that fires rockets|explosive weapon|big launcher|rocket tube|grenade launcher|missile gun|gun|"
            "weapon|big gun|rocket weapon|round metal launcher|grey launcher|large gun|cannon|"
            "gun shooting rockets|explosive launcher|big round gun|heavy gun|anti tank gun|missile cannon|"
            "explosive gun|large launcher|big grey cannon|missile weapon|rocket shooter|rocket rifle",
            "firing a rocket launcher|shooting rockets with the missile launcher",
        ),
        "PlasmaRifle": (
            "plasma gun",
            "plasma gun|plasma rifle|energy rifle|laser gun|blue energy weapon|plasma weapon|laser rifle|"
            "energy gun|blue laser|ray gun|blaster|science fiction gun|humming plasma rifle|"
            "gun that shoots blue balls|electric gun|blue plasma gun|gun|weapon|glowing blue gun|blue gun|"
            "gun with blue light|electric rifle|space gun|alien gun|futuristic gun|laser weapon|"
            "gun shooting blue light|blue energy gun|gun with a blue glow|blue light weapon|lightning gun|"
            "high tech gun|gun firing blue plasma|energy blaster|laser blaster|future rifle|blue glowing weapon",
            "shooting the plasma gun|energy rifle firing blue bolts",
        ),
        "BFG9000": (
            "big energy cannon",
            "big energy cannon|super weapon|giant energy gun|huge plasma cannon|biggest gun|huge energy weapon|"
            "big plasma cannon|giant laser cannon|ultimate weapon|most powerful gun|big gun with a blue ball|"
            "massive energy cannon|enormous gun|giant blue ball gun|huge cannon|gun|weapon|big gun|huge gun|"
            "silver cannon with a blue ball|giant gun|big silver gun|massive weapon|metal gun with a blue light|"
            "enormous weapon|strongest gun|gun with a glowing blue ball|grey gun with a blue center|"
            "heavy energy weapon|big futuristic gun|large energy cannon|super gun|giant plasma gun|"
            "wide silver weapon|big silver cannon|mega gun|huge blue energy gun",
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
            "bandage|bit of health|small box of medicine|medicine|health item|healing item|medical supplies box|"
            "bit of healing|green roll with a white cross|small green and white kit|green bandage|"
            "green medical roll|roll of bandages|small green medical pack|green tube with a white cross|"
            "small green first aid kit|bandage pack|small medicine pack|green and white health pack|"
            "little green roll|green can with a cross|small medical item",
            "picking up a small health kit|little first aid kit on the floor",
        ),
        "Medikit": (
            "first aid kit",
            "first aid kit|medical kit|white medical case|big health kit|medkit|health pack|"
            "white box with a cross|large health kit|first aid box|medical case|health box|white health pack|"
            "box of medicine|big medkit|medicine case|medicine|health item|healing item|medical supplies box|"
            "bit of healing|white case with a green stripe|big medical box|grey case with a white cross|"
            "medicine box|white and green medical box|silver first aid case|box with a white cross|doctor case|"
            "medical suitcase|white and green case|hospital kit|big first aid kit|emergency kit|grey medical box|"
            "green and white first aid box|large medicine case|box with a green band",
            "picking up a first aid kit|white medical case",
        ),
        "HealthBonus": (
            "health vial",
            "health vial|little green bottle|small vial|health potion|tiny bottle|potion|small potion|"
            "green potion|small bottle|bottle of medicine|health bottle|glass bottle|tiny green vial|"
            "potion bottle|health bonus|flask|magic potion|medicine|health item|healing item|"
            "medical supplies box|bit of healing|green bottle|green flask|bottle|small green flask|"
            "green glass bottle|little potion|round green bottle|bottle with green liquid|green drink|"
            "small glass bottle|green vial|vial|magic bottle|little flask|bottle of potion|green medicine bottle|"
            "perfume bottle",
            "picking up a health vial|a little green bottle on the ground",
        ),
        "ArmorBonus": (
            "armor shard",
            "armor shard|small red plate|little red armor piece|armor bonus|armor piece|piece of armor|"
            "little armor piece|small piece of armor|bit of armor|small armor bonus|tiny red plate|"
            "fragment of armor|scrap of armor|red shield|small red shield|little red plate|red plate|"
            "red and white plate|red metal plate|small shield|red badge|red shard|red piece of metal|"
            "small red thing|tiny shield|shield piece|red armor shard|red and white shield|shard|"
            "piece of red armor|little shield|red metal piece|small red item|protection piece",
            "picking up an armor shard|small red armor piece",
        ),
        "GreenArmor": (
            "green armor",
            "green armor|green armor vest|green vest|green body armor|suit of green armor|green jacket|"
            "light armor|green protective vest|armor vest|green bulletproof vest|light green armor|"
            "green chest plate|set of green armor|body armor|armor|green chest armor|"
            "green armor with silver shoulders|green breastplate|green shirt of armor|green metal armor|"
            "green protective armor|green combat armor|protective vest|bulletproof vest|green and silver armor|"
            "green soldier vest|green top|green uniform|green plate armor|suit of armor|green protection suit",
            "picking up green armor|a green vest on the floor",
        ),
        "BlueArmor": (
            "red armor",
            "red armor|red armor vest|red vest|heavy red armor|suit of red armor|red jacket|heavy armor|"
            "red body armor|red protective vest|strong red armor|red bulletproof vest|red chest plate|"
            "set of red armor|mega armor|armor|red chest armor|red armor with spikes|red breastplate|"
            "red metal armor|red protective armor|red combat armor|protective vest|bulletproof vest|"
            "red and silver armor|red armor with silver shoulders|shiny red armor|red top|red plate armor|"
            "suit of armor|big red armor|red spiky armor|red protection suit",
            "picking up red armor|a heavy red armor vest",
        ),
        "Soulsphere": (
            "golden skull orb",
            "golden skull orb|yellow skull ball|yellow orb with a face|golden sphere|yellow ball|golden ball|"
            "yellow sphere|golden orb|yellow glowing ball|gold skull|soul sphere|floating yellow orb|"
            "shining yellow ball|yellow skull orb|health orb|glowing ball|magic ball|floating orb|power up ball|"
            "magic orb|round power up|golden skull|yellow skull|yellow face|golden face|yellow ball with a face|"
            "gold ball|yellow head|golden head|floating golden skull|yellow smiling face|shiny gold ball|"
            "round yellow face|laughing yellow skull|gold mask|yellow mask|golden ball with eyes|"
            "glowing yellow face|skull ball|yellow power up|skull",
            "picking up the golden skull orb|yellow ball with a skull face",
        ),
        "Megasphere": (
            "orange screaming orb",
            "orange screaming orb|orange sphere|orange ball with a face|screaming orange ball|orange ball|"
            "orange orb|orange glowing ball|screaming face ball|mega sphere|floating orange orb|orange head|"
            "screaming orb|orange power up|glowing ball|magic ball|floating orb|power up ball|magic orb|"
            "round power up|orange face|screaming face|pumpkin|halloween pumpkin|orange pumpkin face|"
            "orange screaming face|orange mask|orange ball with a scared face|red and orange ball|"
            "face in an orange ball|screaming head|orange skull|pumpkin head|glowing orange face|"
            "ghost face in an orange ball|scared orange face|orange bubble with a face|shouting orange face",
            "picking up the orange screaming orb|orange ball with a face",
        ),
        "InvulnerabilitySphere": (
            "green star orb",
            "green star orb|green sphere|green ball with a star|green glowing orb|green ball|green orb|star ball|"
            "invincibility orb|invulnerability sphere|glowing green ball|floating green orb|orb with a star|"
            "green power up|green star|glowing ball|magic ball|floating orb|power up ball|magic orb|"
            "round power up|green ball with a black star|green bubble|pentagram ball|green ball with a pentagram|"
            "green bubble with a star|green magic ball|green pentagram|shiny green ball|"
            "black star in a green ball|round green thing|star in a circle|glowing green sphere|green globe|"
            "green ball with a symbol|green marble|star sphere|green star ball",
            "picking up the green star orb|green ball with a star",
        ),
        "BlurSphere": (
            "dark ghost orb",
            "dark ghost orb|black sphere|invisibility orb|dark ball|black ball|black orb|dark sphere|"
            "invisibility sphere|ghost ball|dark orb|shadow orb|floating black ball|orb that makes you invisible|"
            "dark power up|glowing ball|magic ball|floating orb|power up ball|magic orb|round power up|"
            "transparent ball|see through ball|grey bubble|dark bubble|smoky ball|transparent bubble|"
            "grey ghost ball|shadowy ball|blurry ball|nearly invisible ball|grey ball|faint dark ball|"
            "ball of smoke|black bubble|dark transparent orb|shadow ball|black cloud ball|glass ball|smoke sphere",
            "picking up the dark ghost orb|black invisibility sphere",
        ),
        "Berserk": (
            "berserk pack",
            "berserk pack|red strength pack|skull and red box|berserk box|strength pack|berserk power up|"
            "red box with a skull|rage pack|red berserk kit|black medical kit|power pack for punching|"
            "strength power up|red power up|skull|red can with a skull|red barrel with a skull|"
            "skull on a red barrel|red and silver can with a skull|skull with red lights|metal skull|skull pack|"
            "red canister with a skull|red thing with a skull|strength item|power up with a skull|robot skull|"
            "small red barrel|head on a red can|skull machine|skull item",
            "picking up a berserk pack|red strength pack with a skull",
        ),
        "RadSuit": (
            "radiation suit",
            "radiation suit|white space suit|silver suit|hazard suit|protective suit|space suit|"
            "anti radiation suit|silver space suit|hazmat suit|suit against radiation|white suit|chemical suit|"
            "astronaut suit|rubber suit|full body suit|suit|white astronaut suit|grey space suit|"
            "set of protective clothing|white protective suit|empty space suit|silver overall|diving suit|"
            "grey suit standing up|safety suit|astronaut|white overall|grey protective suit|"
            "suit standing on the floor|spaceman suit|cosmonaut suit|silver costume|white and grey suit|"
            "suit for toxic places",
            "picking up a radiation suit|silver space suit standing there",
        ),
        "Infrared": (
            "night vision goggles",
            "pair of night vision goggles|pair of green goggles|pair of light goggles|visor|pair of goggles|"
            "night vision visor|pair of glasses|light visor|night vision device|pair of infrared goggles|"
            "pair of special glasses|green visor|pair of night goggles|pair of green lenses|pair of green lights|"
            "night vision set|pair of binoculars|goggle set|night vision mask|pair of green eyes|set of goggles|"
            "mask with green lenses|grey goggle mask|pair of robot eyes|helmet visor|vision device|"
            "pair of grey goggles|pair of glowing green goggles|device for seeing in the dark|headset|"
            "pair of night glasses",
            "picking up night vision goggles|green goggles on the floor",
        ),
        "Backpack": (
            "backpack",
            "backpack|brown backpack|bag of ammo|ammo backpack|rucksack|brown bag|bag|bag full of ammo|"
            "big brown bag|backpack full of ammo|sack of ammo|travel bag|leather backpack|school bag|ammo|"
            "ammunition|pile of ammo|ammo pickup|brown sack|big backpack|brown rucksack|grey brown backpack|"
            "large bag|hiking backpack|soldier backpack|military backpack|leather bag|knapsack|bag with straps|"
            "brown leather bag|big bag|backpack with ammo|carry bag|army bag|sack|bag for carrying ammo",
            "picking up a backpack|brown bag on the ground",
        ),
        "Clip": (
            "bullet clip",
            "bullet clip|ammo clip|small magazine|handful of bullets|magazine|clip|clip of bullets|"
            "pistol magazine|small ammo clip|gun magazine|bit of ammo|bullet magazine|small pack of bullets|ammo|"
            "ammunition|pile of ammo|ammo pickup|bit of ammunition|pack of bullets|small pile of bullets|"
            "row of bullets|set of bullets|ammo magazine|pistol ammo|small golden clip|tiny ammo clip|gun ammo|"
            "little magazine|small ammo pack|little pack of bullets|small golden bullet clip",
            "picking up a bullet clip|small ammo clip",
        ),
        "ClipBox": (
            "box of bullets",
            "box of bullets|green ammo box|case of ammo|bullet box|ammo box|box of ammo|green box of bullets|"
            "ammunition box|green ammo case|big box of bullets|case of bullets|box full of bullets|"
            "green metal box|ammo|ammunition|pile of ammo|ammo pickup|box with bullets|green box|small green box|"
            "green ammunition box|military box|green metal ammo box|box with the word ammo|army box|"
            "green crate of bullets|green case|machine gun ammo|bullet case|box of cartridges|metal ammo case|"
            "olive box|green military box|big ammo box|container of bullets",
            "picking up a box of bullets|green ammo box",
        ),
        "ShellBox": (
            "box of shells",
            "box of shells|red box of shotgun shells|shell box|pack of shotgun ammo|box of shotgun shells|"
            "red ammo box|red shell box|pack of shells|big box of shells|shotgun shell box|box of shotgun ammo|"
            "red box|carton of shells|ammo|ammunition|pile of ammo|ammo pickup|red box with shells|"
            "red cardboard box|box of red shells|shotgun ammo|red box of ammo|box of cartridges for the shotgun|"
            "small red box|red pack of shells|red carton|box with the word shells|red ammunition box|"
            "shotgun shell pack|red case of shells|box with shotgun shells|box of ammo for the shotgun|"
            "red package|ammo box|box of ammo|cardboard box of ammo",
            "picking up a box of shells|red box of shotgun ammo",
        ),
        "RocketBox": (
            "crate of rockets",
            "crate of rockets|box of rockets|grey crate|rocket crate|box of missiles|rocket box|"
            "crate of missiles|grey box of rockets|case of rockets|big crate of rockets|crate full of rockets|"
            "pack of rockets|rocket ammo crate|grey box|ammo|ammunition|pile of ammo|ammo pickup|grey metal box|"
            "metal crate|silver crate|wide metal box|box with rockets|rocket ammo|big metal box|crate|"
            "metal case of rockets|long grey box|big grey crate|box full of rockets|silver box|"
            "grey and brown crate|rocket ammo box|explosive ammo crate|big ammo crate|metal chest|steel box|"
            "military crate|ammo box|box of ammo",
            "picking up a crate of rockets|grey rocket box",
        ),
        "CellPack": (
            "energy pack",
            "energy pack|big energy cell|battery pack|pack of blue energy cells|pack of power cells|battery|"
            "big battery|cell pack|energy cell pack|power pack|pack of cells|pack of plasma ammo|"
            "pack of batteries|large battery|energy battery|ammo|ammunition|pile of ammo|ammo pickup|"
            "electronic box|black box with blue lights|box with a blue light|grey box with blue lights|"
            "plasma ammo|electric box|power cell|energy box|technical box|electronic device|"
            "machine with a blue screen|black electronic device|energy ammo|car battery|blue and black battery|"
            "cell ammo|device with blue and red lights|power box|generator|radio box|black battery box",
            "picking up an energy pack|big battery with blue cells",
        ),
        "RedCard": (
            "red key",
            "red key|red key card|red pass card|red keycard|key card|red card|red pass|red access card|"
            "key for the red door|red security card|red door key|key|door key|key for a door|key item|"
            "red plastic key|red electronic key|red door opener|red tag|red device|red remote|red plastic card|"
            "red ticket|bright red key|small red key|key card in red|red handle|red security key|card key|"
            "access card",
            "picking up the red key|red key card",
        ),
        "BlueCard": (
            "blue key",
            "blue key|blue key card|blue pass card|blue keycard|blue card|blue pass|blue access card|"
            "key for the blue door|blue security card|blue door key|key|door key|key for a door|key item|"
            "key card|blue plastic key|blue electronic key|blue door opener|blue tag|blue device|blue remote|"
            "blue plastic card|blue ticket|bright blue key|small blue key|key card in blue|blue handle|"
            "blue security key|card key|access card",
            "picking up the blue key|blue key card",
        ),
        "YellowSkull": (
            "yellow skull key",
            "yellow skull key|golden skull key|yellow demon key|little golden idol|yellow key|skull key|"
            "golden key|gold skull|key with a skull|small golden skull|yellow skull|key for the yellow door|"
            "golden idol|yellow door key|key|door key|key for a door|key item|golden demon head|"
            "small yellow head|yellow cat head|golden cat face|small gold head|golden devil head|head with horns|"
            "yellow horned head|gold key|golden animal head|small golden face with blue eyes|"
            "yellow face with horns|demon mask|golden horned skull|yellow mask with horns|small gold figure|"
            "demon shaped key|skull|small yellow skull",
            "picking up the yellow skull key|golden skull key",
        ),
        "Shotgun": (
            "shotgun",
            "shotgun|pump shotgun|pump gun|pump action shotgun|hunting shotgun|shot gun|single barreled shotgun|"
            "black shotgun|normal shotgun|new shotgun|long shotgun|gun|weapon|new gun|new weapon|"
            "gun on the floor|rifle|long gun|pump action gun|grey shotgun|dark shotgun|long dark gun|hunting gun|"
            "single shotgun|combat shotgun|hunting rifle|regular shotgun|black gun|simple shotgun|black rifle",
            "picking up a shotgun|there is a shotgun on the floor",
        ),
        "SuperShotgun": (
            "double barreled shotgun",
            "double barreled shotgun|super shotgun|double shotgun|two barrel shotgun|double barrel shotgun|"
            "shotgun with two barrels|big shotgun|powerful shotgun|twin barrel shotgun|heavy shotgun|"
            "two barreled shotgun|strong shotgun|gun|weapon|new gun|new weapon|gun on the floor|shotgun|"
            "gun with two barrels|two barrel gun|double gun|brown and grey shotgun|shotgun with a wooden handle|"
            "double barreled gun|old double shotgun|massive shotgun|big double gun|twin shotgun|"
            "double barrel gun|old shotgun|wooden shotgun|short double shotgun",
            "picking up a double barreled shotgun|the super shotgun lies on the floor",
        ),
        "Chaingun": (
            "minigun",
            "minigun|machine gun|gatling gun|chaingun|automatic gun|heavy machine gun|rapid fire gun|"
            "big machine gun|new machine gun|fast shooting gun|automatic rifle|rotating gun|gun|weapon|new gun|"
            "new weapon|gun on the floor|fast gun|repeating gun|mini gun|quick firing gun|gun with many barrels|"
            "rotating barrel gun|big metal gun|silver machine gun|big automatic gun|rapid gun|large machine gun|"
            "spinning barrel gun|powerful machine gun|big gun|heavy gun|silver gun|strong machine gun",
            "picking up the minigun|a machine gun lies on the floor",
        ),
        "RocketLauncher": (
            "rocket launcher",
            "rocket launcher|missile launcher|bazooka|rocket gun|rocket cannon|launcher|heavy rocket launcher|"
            "gun that fires rockets|explosive weapon|missile gun|big launcher|grenade launcher|gun|weapon|"
            "new gun|new weapon|gun on the floor|big gun|rocket weapon|grey launcher|large gun|cannon|"
            "explosive launcher|long metal gun|heavy gun|anti tank gun|missile cannon|explosive gun|"
            "large launcher|long grey cannon|missile weapon|rocket shooter|long silver gun|metal launcher",
            "picking up the rocket launcher|a missile launcher lies on the floor",
        ),
        "PlasmaRifle": (
            "plasma gun",
            "plasma gun|plasma rifle|energy rifle|laser gun|plasma weapon|laser rifle|energy gun|ray gun|blaster|"
            "science fiction gun|blue laser gun|energy weapon|gun|weapon|new gun|new weapon|gun on the floor|"
            "blue and black gun|dark gun with blue parts|electric rifle|space gun|alien gun|futuristic gun|"
            "laser weapon|blue energy gun|lightning gun|high tech gun|energy blaster|laser blaster|future rifle|"
            "black gun with blue lights|big dark gun|electric gun|futuristic rifle|plasma blaster",
            "picking up the plasma gun|an energy rifle lies on the floor",
        ),
        "Chainsaw": (
            "chainsaw",
            "chainsaw|power saw|angle grinder|saw|chain saw|electric saw|grinder|cutting tool|power tool|"
            "motor saw|big saw|tool for cutting|weapon|new weapon|noisy saw|long saw|sharp saw|cutting machine|"
            "wood saw|engine saw|cutter|saw with an engine|power cutter|machine saw|loud saw|grey saw|metal saw|"
            "garden tool|saw machine|hand saw with a motor|blade weapon",
            "picking up a chainsaw|a power saw lies on the floor",
        ),
        "BFG9000": (
            "big energy cannon",
            "big energy cannon|super weapon|giant energy gun|biggest gun|huge energy weapon|big plasma cannon|"
            "ultimate weapon|most powerful gun|huge plasma cannon|giant laser cannon|massive energy cannon|"
            "enormous gun|huge cannon|gun|weapon|new gun|new weapon|gun on the floor|big gun|huge gun|giant gun|"
            "big silver gun|massive weapon|enormous weapon|strongest gun|heavy energy weapon|big futuristic gun|"
            "large energy cannon|super gun|giant plasma gun|wide silver weapon|big silver cannon|mega gun|"
            "silver cannon|big metal cannon|large silver gun",
            "picking up the big energy cannon|the super weapon lies on the floor",
        ),
        "Allmap": (
            "computer map",
            "computer map|map tablet|green screen|handheld computer|tablet with a map|map|tablet|level map|"
            "computer with a map|small computer|map of the level|electronic map|small green screen|area map|"
            "device with a green screen|green display|electronic tablet|small monitor|green monitor|"
            "little computer|pocket computer|screen with a map|small tv with a green picture|radar|radar screen|"
            "navigation device|portable computer|small device with a screen|green map screen|"
            "electronic device with a green display|grey tablet|game console|computer screen|map device",
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
            "tree with no leaves|tall tree|tree with bare twigs|lifeless tree|winter tree|naked tree|"
            "dead brown tree|wooden tree|spooky tree|tree with twisted branches|empty tree|"
            "tree that has lost its leaves|dark dead tree|gnarled tree|brown tree without leaves|"
            "tree with many branches|leafless brown tree|creepy old tree|dried up tree|tree skeleton|"
            "huge dead tree",
            "a bare dead tree|leafless tree",
        ),
        "Stalagtite": (
            "green tree",
            "green tree|leafy tree|small green tree|bush|tree with green leaves|little tree|small tree|"
            "green bush|tree|young green tree|green plant|plant|tree full of leaves|living tree|small leafy tree|"
            "tree with green top|tree with leaves|green bushy tree|fresh tree|round green tree|"
            "tree with a green crown|healthy tree|bonsai tree|bonsai|green shrub|shrub|little green tree|"
            "green leaves on a tree|leafy bush|bushy tree|tiny tree|tree with thick leaves|oak tree|"
            "pretty green tree",
            "a green leafy tree|small green tree",
        ),
        "TechPillar": (
            "computer pillar",
            "computer pillar|tech column|metal pillar with a blue screen|tall computer column|computer|"
            "metal column|machine pillar|tech pillar|technical column|pillar with lights|computer tower|"
            "blue screen on a pillar|metal machine|electronic pillar|steel column|pillar|column|"
            "grey pillar with a screen|tall machine|silver column with a blue light|pillar with a blue screen|"
            "high tech column|computer column|technical pillar|grey metal column|metal tower|"
            "machine with a screen|pillar with a computer|tall metal machine|electronic column|"
            "blue light on a pillar|futuristic pillar|robot pillar|steel pillar|grey tower with a blue display|"
            "pipe with a screen|monitor on a column",
            "a tall computer pillar|metal pillar with a blue screen",
        ),
        "TechLamp": (
            "lamp",
            "lamp|tall lamp|lamp post|electric lamp|floor lamp|light|bright lamp|standing lamp|tall light|"
            "street lamp|metal lamp|white lamp|electric light|light pole|lamp giving light|lantern|tall lantern|"
            "silver lamp|metal light|lamp on a pole|lamp on a stand|light stand|tall white light|light on a pole|"
            "lamp with a twisted pole|modern lamp|street light|big lamp|tall metal lamp|light bulb on a stand|"
            "shining lamp|light post|lamp stand|silver light on a brown pole",
            "a tall lamp|electric lamp post",
        ),
        "BurningBarrel": (
            "burning barrel",
            "burning barrel|fire barrel|barrel on fire|campfire in a barrel|fire in a can|fire in a barrel|"
            "barrel with flames|flaming barrel|fire|barrel full of fire|burning trash can|oil drum on fire|"
            "small fire|metal barrel with fire|open fire|burning can|burning drum|barrel with fire|can with fire|"
            "fire in a metal can|fire pot|yellow fire|metal bin on fire|trash can fire|barrel with yellow flames|"
            "metal can with flames|burning bin|flaming can|fireplace|bonfire|silver can with fire|barrel fire|"
            "fire in a metal barrel|warm fire|burning metal barrel|flames in a drum|fire bowl",
            "a burning barrel|fire in a barrel",
        ),
        "RedTorch": (
            "red torch",
            "red torch|torch with a red flame|red fire|tall red torch|torch|burning torch|torch burning red|"
            "red flame|red burning torch|fire on a pole|flame on a stick|flaming red torch|"
            "torch stand with red fire|red fire on a stand|red torch light|red glowing torch|flame|tall torch|"
            "orange torch|red and orange fire|torch with orange flames|red flaming torch|torch with red fire|"
            "fire on a tall stand|red fire on a pole|red candle|burning red lamp|golden torch with a red flame|"
            "red fire torch|pole with red fire|fire",
            "a torch with a red flame|red torch",
        ),
        "BlueTorch": (
            "blue torch",
            "blue torch|torch with a blue flame|blue fire|tall blue torch|torch|burning torch|torch burning blue|"
            "blue flame|blue burning torch|blue fire on a pole|flaming blue torch|torch stand with blue fire|"
            "blue fire on a stand|blue torch light|blue glowing torch|flame|tall torch|blue flaming torch|"
            "torch with blue fire|blue candle|burning blue lamp|bright blue flame|blue fire torch|"
            "pole with blue fire|cold blue fire|blue magic fire|blue flame on a stick|blue gas flame|"
            "strange blue fire|fire",
            "a torch with a blue flame|blue torch",
        ),
        "GreenTorch": (
            "green torch",
            "green torch|torch with a green flame|green fire|tall green torch|torch|burning torch|"
            "torch burning green|green flame|green burning torch|green fire on a pole|flaming green torch|"
            "torch stand with green fire|green fire on a stand|green torch light|green glowing torch|flame|"
            "tall torch|green flaming torch|torch with green fire|green candle|burning green lamp|"
            "bright green flame|green fire torch|pole with green fire|poison green fire|green magic fire|"
            "green flame on a stick|strange green fire|golden torch with a green flame|fire",
            "a torch with a green flame|green torch",
        ),
        "EvilEye": (
            "red eye",
            "red eye|evil eye|giant eye|eye in a claw|big staring eye|eyeball|huge red eye|big eye|floating eye|"
            "eye on a stand|giant eyeball|watching eye|red eyeball|scary eye|eye looking at us|glowing red eye|"
            "eye|demon eye|red eye in a stone|creepy eye|monster eye|eye on a metal stand|"
            "eye with claws around it|snake eye|glowing eye|one big eye|red cat eye|red glowing eyeball|"
            "strange eye|eye statue|eye in the air|floating red eye|magic eye|eye symbol|devil eye|"
            "eye in a grey stone|evil red eye|eye of a dragon",
            "a giant evil eye|red eye in a claw",
        ),
        "Meat2": (
            "hanging corpse",
            "hanging corpse|hanging body|dead body on a chain|hanged dead man|hanging dead body|"
            "corpse on a chain|dead man hanging from the ceiling|body hanging down|hanged man|bloody body|"
            "dead body|corpse|hanging victim|red bloody corpse|dead person hanging|bloody corpse|body|"
            "human remains|bloody meat|hanging meat|piece of meat|red meat|bloody torso|hanging bloody body|"
            "torso on a chain|body hanging from the ceiling|bloody thing hanging down|corpse hanging from above|"
            "slaughtered body|hanging red body|body without legs|half body hanging|chunk of meat|"
            "victim hanging from the ceiling|dead man hanging upside down|hanging flesh|bloody body parts|gore",
            "a corpse hanging from the ceiling|dead body on a chain",
        ),
        "LiveStick": (
            "impaled body",
            "impaled body|impaled man|body on a spike|man on a stake|man on a spike|body on a pole|"
            "bloody body on a pole|corpse on a spike|impaled corpse|impaled person|dead man on a pole|"
            "dead body on a stake|bloody corpse|victim on a spear|human on a spike|body|human remains|"
            "soldier on a spike|man on a pole|stabbed man|body on a stick|bloody man standing on a stake|"
            "dead soldier on a spike|speared body|body pierced by a pole|corpse on a stick|corpse on a pole|"
            "bloody soldier on a stick|executed man|tortured man|man with a spike through his body|"
            "victim on a stake|skewered man|person on a stick|bloody victim on a pole|"
            "body without a head on a pole|gore|dead body|corpse|dead man",
            "an impaled man on a spike|body on a stake",
        ),
        "TallGreenColumn": (
            "green pillar",
            "green pillar|green column|green marble pillar|tall green column|tall green pillar|"
            "green stone pillar|pillar|stone column|column in green|marble column|big green pillar|green post|"
            "green stone column|green marble column|column|post|green tower|green pipe|green post of stone|"
            "round green pillar|shiny green pillar|green ring column|green metal pillar|thick green column|"
            "green chess piece|green stand|green block|green structure|green pole|dark green pillar|"
            "green pedestal|pillar in green|bright green column|ancient green column|temple column in green",
            "a green pillar|green marble column",
        ),
        "TallRedColumn": (
            "red pillar",
            "red pillar|red column|red marble pillar|tall red column|tall red pillar|red stone pillar|pillar|"
            "stone column|column in red|marble column|big red pillar|red post|red stone column|red marble column|"
            "column|post|red tower|red pipe|red post of stone|round red pillar|shiny red pillar|"
            "smooth red column|red metal pillar|thick red column|red chess piece|red stand|red block|"
            "red structure|red pole|dark red pillar|red pedestal|pillar in red|ancient red column|"
            "temple column in red",
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
            "in a water channel|in a pond|in deep blue water|on blue water|by the water|at the water|"
            "in a blue river|next to the water|in a room with water|in a room full of water|"
            "with blue water on the floor|in a stream|in dark blue water|at a lake|at a pool|in a canal|"
            "where the floor is blue water|with water all around|with wet feet|in a swimming pool|beside a pool|"
            "beside the blue water|by a river|by a blue pool|with water in view|in front of water",
            "walking in blue water|wading through a pool",
        ),
        "slime": (
            "slime",
            "in green slime|in toxic slime|in green acid|in the toxic waste|in green liquid|in poison|"
            "in the acid|in slime|in the slime|in radioactive waste|in poisonous slime|in nuclear waste|"
            "in a pool of acid|in toxic liquid|in dangerous slime|in the green goo|near green slime|"
            "in bright green liquid|in green water|by the green slime|in green poison|"
            "with green slime on the floor|in green sludge|in a green pool|in a green river|"
            "in glowing green waste|in acid|in green ooze|where the floor is green slime|in a toxic pool|"
            "near toxic waste|in chemical waste|next to green acid|in a pool of green slime|"
            "by a pool of green liquid|beside toxic green water|in toxic green water|with green acid in view|"
            "in poison water|by the acid",
            "walking in green slime|toxic green waste",
        ),
        "sludge": (
            "sludge",
            "in brown mud|in muddy water|in dirty sludge|in the swamp|in the mud|in dirty water|in mud|"
            "in a swamp|in brown water|in a muddy place|in sewage|in the sewer|in brown slime|in dirt|"
            "on muddy ground|in filthy water|near brown mud|in brown sludge|in thick mud|by the mud|"
            "on a muddy floor|in wet mud|in a dirty swamp|in a brown swamp|in brown liquid|in a muddy pool|"
            "in a pool of mud|in dirty brown water|in sludge|in the sludge|in a bog|in a marsh|in dark mud|"
            "where the floor is mud|in brown goo|next to muddy water|with mud on the floor|in a dirty brown pool|"
            "in murky water|beside the mud|in waste water",
            "walking through brown mud|dirty muddy sludge",
        ),
        "lava": (
            "lava",
            "in the lava|on burning lava|in molten lava|on hot glowing lava|in hot lava|on lava|in a lava river|"
            "in a lake of fire|in a lava pool|on red hot lava|on the burning floor|in liquid fire|"
            "in a river of lava|in orange lava|in the fire|in magma|near lava|by the lava|in glowing lava|"
            "in bright orange lava|in orange liquid|with lava on the floor|in flowing lava|in boiling lava|"
            "next to the lava|in a lake of lava|in burning liquid|in melted rock|in liquid rock|in a sea of fire|"
            "in a sea of lava|where the floor is lava|with lava all around|in yellow and orange lava|"
            "in a volcano|in glowing orange liquid|at a lava lake|near hot lava|on molten rock|in hell|"
            "beside a lava river|with hot lava in view|in fire and lava",
            "walking on lava|burning hot molten lava",
        ),
        "hot rocks": (
            "hot rocks",
            "on hot rocks|on glowing red rocks|on cracked hot ground|on burning stones|on red rocks|"
            "on hot ground|on glowing stones|on burning rocks|on red hot ground|on red stone|on volcanic rock|"
            "on very hot stones|on a cracked red floor|on hot red stones|in a volcano|in hell|on dark red ground|"
            "on red ground|on red cracked rocks|on cracked red ground|on hot red ground|on red hot rocks|"
            "on burning ground|on glowing ground|near hot rocks|among red rocks|in a red rocky place|"
            "on a glowing red floor|on red rocky ground|on hot coals|on burning coals|on hot stones|"
            "in a red cave|on embers|on dark rocks with red cracks|in a hot red place|in a red rocky landscape|"
            "in a hellish red place|on cracked burning rocks|by the hot rocks|on hot ground with cracks|"
            "where the rocks glow red",
            "hot glowing red rocks|walking on cracked burning ground",
        ),
        "blood": (
            "blood",
            "in a pool of blood|in the blood|in red blood|in a river of blood|in blood|in a lot of blood|"
            "on a bloody floor|in red liquid|in a lake of blood|in a bloody pool|in the red pool|"
            "knee deep in blood|in a bath of blood|on a floor full of blood|near a pool of blood|by the blood|"
            "with blood on the floor|in a red river|in deep red liquid|in red water|on a blood red floor|"
            "in a pool of red liquid|in a blood pool|in a sea of blood|in a blood river|"
            "with red liquid on the floor|next to the blood|where the floor is blood|on a floor covered in blood|"
            "in a red lake|in a bloody river|in thick red liquid|in a bloody place|in dark red water|"
            "in a bloody room|with lots of blood|in a stream of blood|beside a pool of blood|beside red water|"
            "with a lake of blood in view",
            "walking in a pool of blood|river of blood",
        ),
        "grass": (
            "grass",
            "on the grass|on a green lawn|on the green grass|on a grassy field|on grass|in the grass|"
            "on fresh green grass|on a meadow|in a green field|on the lawn|in a garden|on grassy ground|"
            "in the meadow|on a green meadow|in a park|near the grass|with grass on the ground|"
            "on a field of grass|in a grassy place|on green ground|on dark green grass|in a grassy yard|"
            "in a backyard|on a grassy floor|on turf|on the green ground|in a grass field|on a grass lawn|"
            "on soft grass|with green grass around|in the countryside|on a green field|in a field|"
            "where grass grows|in a grassy area|on short grass|next to the grass|in a garden with grass|"
            "by a lawn|with green grass in view|on natural green ground",
            "walking on green grass|a grassy field",
        ),
        "outdoors": (
            "outdoors",
            "outdoors|outside|under the open sky|outside in the open|out in the yard|in the courtyard|"
            "in the open|in the open air|under the sky|outside the building|in a yard|in nature|in an open area|"
            "outside the base|with the sky above us|in the fresh air|out in the open|with an open sky|"
            "outside under the sky|in the outdoors|out of doors|where you can see the sky|in an outside area|"
            "in an outdoor area|in an outdoor place|with the sky visible|below the sky|in front of the building|"
            "in a courtyard|out here|in an open yard|out in the fresh air|in a place without a roof|"
            "outside with no roof|in an open space|outside somewhere|in open terrain|in the wild|on open ground|"
            "outside a building|with sky in view|outside a house|in an open landscape|with clouds above",
            "outdoors under the open sky|outside in the yard",
        ),
        "dark": (
            "dark",
            "in the dark|in a dark room|in the shadows|in the gloomy darkness|in darkness|in a dark place|"
            "in a dark corridor|in dim light|where there is hardly any light|in a dark hall|in a black room|"
            "in a place as dark as night|in a dark corner|in a gloomy room|in a dark tunnel|"
            "in a place with little light|in the night|in a very dark place|in a dark area|in the black|"
            "in low light|in poor light|in a pitch black room|where it is dark|where it is hard to see|"
            "with the lights off|with no light|without light|in a dark cave|in a shadowy place|in deep shadow|"
            "in almost total darkness|in a dim room|in a dimly lit room|in a badly lit place|in a dark scene|"
            "in the gloom|where one can see almost nothing|in a place without lamps|in a dark passage|"
            "in a dark building|at night",
            "in a dark room|walking in the dark",
        ),
        "bright": (
            "bright",
            "in a bright room|in the bright light|in a well lit hall|under bright lights|in bright light|"
            "in a bright place|in a lit room|in a well lit room|in a white room|in a bright hall|in full light|"
            "in a brightly lit place|with all the lights on|where it is bright|in a very bright place|"
            "in bright surroundings|in a bright area|in strong light|with bright light everywhere|"
            "with lots of light|in a place full of light|in a light room|in a clear bright place|"
            "where everything is bright|in the light|in light as bright as day|where it is easy to see|"
            "in bright colors|in a bright scene|in an illuminated room|in shining light|in a brightly lit room|"
            "in good light|in a place with plenty of light|with everything lit up|in glaring light|"
            "under strong lights|in a bright open place|in a shining bright room|where there is a lot of light",
            "in a bright well lit room|bright lights",
        ),
        "indoors": (
            "indoors",
            "inside|indoors|in a room|in the hallway|in this corridor|inside the base|inside the building|"
            "in a corridor|in a hall|in a hallway|in a building|inside a building|in the base|in the room|"
            "in a passage|in a chamber|inside the house|in an indoor area|inside a room|in a closed room|"
            "under a roof|inside some building|in a large room|in a big hall|in a stone room|between walls|"
            "in an indoor place|in the interior|in a house|in the building|in a facility|in a space station|"
            "in a base|in the halls|in a closed space|in a bunker|in some room|inside the walls|under a ceiling|"
            "inside a base|indoors somewhere|with walls all around|with a ceiling above|in an inside area|"
            "in a building with corridors",
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
            "door|closed door|gate|big door|heavy door|sliding door|entrance|doorway|entrance door|exit door|"
            "metal door|garage door|large door|steel door|stone door|automatic door|locked door|gateway|"
            "wide door|grey door|wooden door|big gate|metal gate|rising door|door in the wall|shutter|"
            "passage door|front door|way in|room door",
            "opening a door|the door slides open",
        ),
        "lift": (
            "lift",
            "lift|elevator|platform|moving platform|lift platform|elevator platform|moving floor|"
            "lifting platform|rising platform|floor lift|moving block|metal lift|lifting floor|big elevator|"
            "freight elevator|stone elevator|moving piece of floor|cargo lift|floor elevator",
            "riding a lift|the elevator platform moves",
        ),
        "switch": (
            "switch",
            "switch|button|wall switch|switch on the wall|button on the wall|control panel|panel|lever|"
            "wall button|big switch|light switch|big button|control switch|metal switch|square button|"
            "switch panel|push button|wall panel|device on the wall|control on the wall|button in the wall|"
            "machine switch|wall lever|activation switch",
            "pressing a switch|pushing a button on the wall",
        ),
        "teleport": (
            "teleport",
            "teleporter|teleport pad|portal|teleport|teleport gate|magic portal|teleporter pad|warp gate|"
            "teleport machine|teleporting pad|magic gate|glowing portal|teleporter gate|teleporting machine|"
            "magic door|gate to another place|transporter|green portal|teleport platform|space portal|"
            "portal on the floor|teleport device|teleport square|glowing pad|magic pad|beam pad",
            "stepping into a teleporter|teleporting to another place",
        ),
        "barrel": (
            "barrel explosion",
            "barrel|explosive barrel|fuel barrel|oil barrel|oil drum|barrel of fuel|gas barrel|"
            "barrel of explosives|drum|explosive drum|metal barrel|metal drum|gas tank|canister|metal canister|"
            "explosive canister|barrel bomb|tank of fuel|fuel can|dangerous barrel|barrel full of explosives|"
            "grey barrel|chemical barrel|black barrel|round container|big can|keg",
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
            "monster|enemy|creature|beast|demon|foe|opponent|bad guy|attacker|opposing creature|hostile creature|"
            "ugly creature|evil being|villain|rival|target|bad creature|enemy creature",
            "fighting a monster|shooting at a monster",
        ),
        "monster": (
            "monster attack",
            "monster|creature|beast|enemy|demon|foe|bad guy|evil creature|scary monster|dangerous beast|attacker|"
            "opponent|villain|hostile creature|ugly creature|evil thing|scary thing|mean creature|nasty enemy|"
            "scary creature|evil being|horrible creature|bad creature|hostile enemy|dangerous enemy|ugly thing|"
            "fierce enemy|creepy creature",
            "a monster attacks us|dodging a monster",
        ),
        "pickup": (
            "pickup",
            "item|thing|object|power up|useful item|bonus|new item|piece of equipment|collectible|"
            "collectable item|bonus item|helpful thing|supply item|goodie|small object|treasure|supply|reward|"
            "useful object|item on the ground|thing on the floor|piece of loot|game item",
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
