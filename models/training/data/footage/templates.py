"""Sentence patterns of the narrations, by kind of scene and by when they are spoken (before, at, after the event).

Slots: {m} monster, {w} weapon, {i} item, {o} decoration, {c} any word for a monster, {n} any word for an item,
{d} door, {l} lift, {s} switch, {t} teleporter, {b} barrel, each with its article as {am} and so on; {p} where, at the
end, and {q} where as well, in the words of another place. Lines that name nothing of the clip's subject are vague on
purpose: real speakers talk so too. SHORT holds what one types into a search box.
"""

from __future__ import annotations


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


BEFORE: dict[str, tuple[str, ...]] = {
    "monster": _lines("""
        something is moving ahead {p}
        careful here i think {am} is waiting
        i can hear {am} close by
        be quiet there is {am} right in front of us
        here comes {am}
        we just ran into {am} {p}
        oh no {am} spotted us
        heads up {am} dead ahead
        and there it is {am}
        turn around slowly and you find {am}
        so this guy is called {am}
        we meet {am} {p}
        i see {am} straight ahead
        let me show you what {am} looks like
        {am} appears {p}
        {am} shows up in front of us
        we encounter {am} {p}
        {am} is standing there
        there is {am} over there
        {am} is looking for us
        a new enemy {am}
        suddenly {am} stands before us
        i found {am} {p}
        {am} is getting closer
        this {c} is {am}
        some kind of {c} is near
    """),
    "fight": _lines("""
        i have my {w} ready for this {m}
        there is {am} and all i have is {aw}
        {am} stands in our way {p}
        time to fight {am}
        get the {w} out because {am} is coming
        aim the {w} carefully at the {m}
        our next enemy is {am}
        watch how i deal with {am} using the {w}
        first wait until the {m} comes closer
        {am} blocks the path so we prepare to attack
        i see {am} and get ready to attack
        let us kill this {m} with the {w}
        going to fight {am} with {aw}
        {am} is our target
        we found {am} to fight {p}
        {am} ahead and the fight begins
        here is {am} so let us attack it
        a duel against {am}
        let us hunt {am}
        we must defeat {am}
        another {c} to fight
    """),
    "pickup": _lines("""
        there is {ai} on the ground
        i can see {ai} {p}
        look somebody left {ai} here
        next we want to get {ai}
        right in front of us lies {ai}
        this thing is {ai}
        i was hoping to find {ai}
        do not forget {ai} {p}
        we really need {ai}
        let us walk over to {ai}
        {ai} just sitting on the floor
        spotted {ai} ahead
        this is what {ai} looks like
        {ai} lies on the floor
        {ai} is lying {p}
        somebody dropped {ai} here
        going to collect {ai}
        walking toward {ai}
        i want that {i}
        {ai} is waiting for us
        a useful thing {ai}
        there is {an} on the floor
    """),
    "fire": _lines("""
        i am holding {aw} {p}
        now we try {aw}
        this is {aw}
        my favorite weapon the {w}
        let me demonstrate the {w}
        we stand {p} with {aw}
        we have {aw} in our hands
        i switch to the {w}
        getting ready to use the {w}
        listen to the sound of {aw}
        check out {aw} {p}
        equipped with {aw} we wait
        about to use {aw}
        let us test {aw}
        the player carries {aw}
        holding {aw} toward the wall
        i take out my {w}
        the weapon in our hands is {aw}
        let us hear how the {w} sounds
    """),
    "fire_Fist": _lines("""
        i have no gun just {w}
        now we try {w}
        all we have is {w}
        we are without a weapon {p}
        getting ready to punch with {w}
        an unarmed player {p}
        let us use {w}
        we have run out of guns
        time for some boxing
        raising my {w}
    """),
    "door": _lines("""
        there is {ad} in front of us
        we come up to {ad} {p}
        this {d} is shut
        walking toward {ad}
        let us see what is behind this {d}
        the way forward is through that {d}
        facing {ad} {p}
        we need to open this {d}
        standing before {ad}
        the {d} is closed
        in front of {ad}
        the {d} blocks the way
        we stop at {ad}
        let us unlock this {d}
        going up to the {d}
        is this {d} locked
        we want to get through the {d}
    """),
    "lift": _lines("""
        there is {al} in front of us
        we need to take the {l}
        this wall is really {al}
        the {l} is up so we must call it
        walking to the {l} {p}
        waiting for {al}
        how do we get up there
        you reach the upper floor with this {l}
        here is {al}
        standing in front of {al} {p}
        we want to go up with the {l}
        let us use the {l}
        going to the {l}
    """),
    "switch": _lines("""
        there is {as} here
        i see {as} {p}
        walk up to the {s}
        this {s} must do something
        let us find out what this {s} does
        {as} in front of us
        looking at {as}
        we approach the {s}
        here is {as}
        what is this {s} for
        going to press the {s}
        we found {as} {p}
        the {s} is still off
    """),
    "teleport": _lines("""
        there is {at} ahead
        walk onto the {t}
        we go for the {t}
        the pad on the floor is {at}
        let us take the {t} {p}
        stepping toward the {t} {p}
        where does this {t} lead
        {at} right before us
        about to enter the {t}
        here is {at}
        we walk up to {at}
        going into the {t}
        in front of us is {at}
        moving toward {at} {p}
    """),
    "barrel": _lines("""
        there is {ab} in front of us
        see that {b} {p}
        never stand close to {ab}
        i aim the {w} at {ab}
        {ab} is a bomb waiting to go off
        let us shoot this {b} with the {w}
        one {b} standing {p}
        {ab} stands over there
        looking at {ab}
        we found {ab} {p}
        going to blow up this {b}
        let us make the {b} explode
        aiming at {ab}
    """),
    "death": _lines("""
        this will not end well
        i am in trouble {p}
        our health is almost gone
        we are about to die
        walking around {p} with little health
        that is a bad place to be
        the player is hurt
        we will not survive this
        i am badly wounded
        the last seconds of our life
        we are going to lose
        nearly dead {p}
    """),
    "look": _lines("""
        there is {ao} {p}
        in front of us stands {ao}
        i notice {ao} here
        let us take a look at {ao}
        look at this {o}
        you can see {ao}
        {ao} as decoration
        walking up to {ao}
        here is {ao}
        i see {ao} over there
        we come to {ao}
        we discover {ao} {p}
        somebody put {ao} here
        moving toward {ao}
        {ao} stands in this place
    """),
    "explore": _lines("""
        we are walking {p}
        exploring the level {p}
        let us have a look around {p}
        moving on {p}
        we start our walk {p}
        here we are {p}
        going for a stroll {p}
        so now we are {p}
        going {p}
        the player walks {p}
        we enter a new area {p}
        let us walk {p}
        what is there {p}
        i find myself {p}
        stepping forward {p}
    """),
}

AT: dict[str, tuple[str, ...]] = {
    "monster": _lines("""
        {am} is coming at us
        watch out there is {am}
        {am} attacks {p}
        {am} attacks us
        look at that {m}
        the {m} is attacking me
        run away from the {m}
        the {m} has seen us and gets angry
        dodging {am} {p}
        this {m} wants to kill us
        {am} growls and moves closer
        hear the {m} scream
        i am trying to avoid the {m}
        stepping sideways while {am} attacks
        the {m} keeps chasing us
        face to face with {am}
        {am} makes a horrible noise
        an angry {m} right before our eyes
        a dangerous {m} {p}
        that ugly {m} is awake now
        the monster is {am}
        {am} comes toward us {p}
        {am} goes after the player
        {am} is hunting us
        {am} roars at us
        {am} tries to hurt us
        escaping from {am}
        running from {am} {p}
        we are attacked by {am}
        {am} charges
        {am} approaches
        the {m} follows us
        a {c} attacks it is {am}
        the sound of {am}
        {am} moving around {p}
        the hostile {m} wants a fight
        getting away from {am}
        {ac} attacks us
        {am} attacks us {p}
        {am} walks toward the player {p}
        {am} comes closer {p}
        we meet {am} and it attacks {p}
        {am} attacks the player from the front {p}
        the player runs away from {am} {p}
        we see {am} standing {p}
        {am} and nobody else {p}
        {ac} is {p} it is {am}
        there is {am} attacking {p}
        the {m} moves toward us {p}
        trying to escape from {am} {p}
        {am} right in front of the player {p}
        the player is attacked by {am} {p}
    """),
    "fight": _lines("""
        fighting {am} with {aw}
        i use the {w} and attack the {m}
        hitting the {m} with the {w} {p}
        {am} gets hit by the {w}
        using the {w} against {am}
        my {w} against {am}
        a battle with {am} {p}
        attack the {m} now
        the {m} fights back
        giving this {m} everything with the {w}
        we attack {am} using {aw}
        blood everywhere as we battle the {m}
        take that you {m}
        keep the {w} pointed at the {m}
        fighting {am} {p}
        a fight between the player and {am}
        we fight {am}
        hurting the {m} with the {w}
        the player attacks {am}
        {am} is under attack
        {am} takes damage
        {am} bleeds
        {am} screams in pain
        trying to kill {am} with {aw}
        combat with {am}
        struggling with {am} {p}
        {aw} used on {am}
        fighting {ac} it is {am}
        attacking {ac} with {aw}
        battle against {ac}
        fighting {am} with {aw} {p}
        using {aw} to fight {am} {p}
        the player uses {aw} against {am} {p}
        the player fights {am} with {aw}
        {am} is attacked with {aw} {p}
        we attack {am} with {aw} {p}
        a fight with {am} {p} using {aw}
        {aw} against {am} {p}
        blood flies from {am} {p}
        somebody fights {am} {p}
        {am} gets hurt by {aw} {p}
        hurting {ac} {p} with {aw}
        player with {aw} fights {am} {p}
    """),
    "fight_gun": _lines("""
        shooting the {m} with the {w}
        shooting at {am}
        firing {aw} at {am}
        blasting {am} with {aw}
        i gun down the {m} with the {w}
        shots hit the {m}
        emptying the {w} into the {m}
        {am} is being shot
        bullets and blood the {m} gets shot
        we open fire on {am}
        shooting {am} with {aw} {p}
        gunfire at {am}
        pulling the trigger while the {m} comes closer
        shooting {ac} with {aw}
        shooting {am} {p} with {aw}
        firing {aw} at {am} {p}
        the player shoots {am} with {aw}
        the player shoots at {am} {p}
        {am} is hit by shots {p}
        somebody shoots {am} with {aw}
        {am} gets shot with {aw} {p}
        we shoot {aw} at {am} {p}
        blood flies as we shoot {am}
        shooting {ac} {p}
    """),
    "fight_Fist": _lines("""
        punching {am}
        punching {am} with {w}
        i hit the {m} in the face
        boxing with {am}
        beating {am} with {w}
        we punch {am} {p}
        a fist fight with {am}
        hand to hand combat with {am}
        giving the {m} a good punch
        smashing my {w} into the {m}
        fighting {am} without any weapon
        punching {am} {p}
        the player punches {am} {p}
        hitting {am} with {w} {p}
        beating up {am} {p}
        {am} gets punched {p}
        fighting {am} with {w} {p}
    """),
    "fight_Chainsaw": _lines("""
        sawing {am} to pieces
        cutting {am} with {aw}
        cutting up the {m} with the {w}
        the {w} cuts into the {m}
        slicing {am} with {aw} {p}
        the {w} roars as we cut the {m}
        holding the {w} into the {m}
        tearing the {m} apart with the {w}
        a massacre with {aw}
        sawing {am} with {aw} {p}
        the player cuts {am} with {aw}
        cutting {am} {p}
        {am} is cut by {aw} {p}
    """),
    "fire_gun": _lines("""
        firing the {w} {p}
        shooting {aw} {p}
        he shoots {aw}
        you can hear the {w} going off
        blasting away with the {w}
        pulling the trigger of the {w}
        the {w} makes a loud noise
        the {w} fires again and again
        i shoot the {w} at the wall
        the flash of the {w}
        shots from {aw} echo through the place
        emptying the {w} {p}
        wasting ammo with the {w}
        firing {aw} at nobody
        someone fires {aw}
        the player shoots {aw}
        using {aw} {p}
        the noise of {aw} being fired
        we fire {aw} into the air
        testing {aw} on a wall
        opening fire with {aw}
        a shot from {aw}
        the {w} blasts and flashes
        {aw} is shooting
        hear {aw} being fired
        letting off {aw} {p}
        firing a gun at the wall
        shooting a gun {p}
        gunshots from {aw}
        the weapon fires it is {aw}
        the player fires {aw} {p}
        the player shoots at a wall with {aw} {p}
        shooting {aw} {p} with no enemy around
        firing {aw} into the distance {p}
        someone shoots {aw} {p}
        first person view of firing {aw} {p}
        a flash at the end of {aw} {p}
        firing shots {p} with {aw}
        {aw} fires {p}
        we stand {p} and shoot {aw}
        testing {aw} {p}
        shots are fired from {aw} {p}
    """),
    "fire_Fist": _lines("""
        punching the wall with {w}
        he swings his {w} at the wall
        throwing punches with {w} {p}
        boxing against the wall with {w}
        hitting the stone with {w}
        left and right punch
        a fist comes from the left then from the right
        punching the air
        somebody punches with {w}
        the player hits the wall with {w}
        fighting the air with {w}
        a punch and another punch
        using {w} {p}
        hands in front of the camera punching
        beating the wall without a weapon
        the player punches with {w} {p}
        punching {p}
        a hand punching the air {p}
        hitting a wall with {w} {p}
        a fist is seen punching {p}
        player without a gun punches {p}
    """),
    "fire_Chainsaw": _lines("""
        the {w} is roaring {p}
        revving the {w}
        running the {w} {p}
        the motor of the {w} screams
        cutting with the {w}
        listen to the {w} buzz and whine
        sawing through the air with the {w}
        the {w} rattles and roars
        the sound of {aw}
        the {w} hums and buzzes
        holding {aw} against the wall
        an engine noise from the {w}
        the {w} is running
        cutting the wall with {aw}
        using {aw} {p}
        sawing at the wall
        the {w} makes a loud noise
        the player uses {aw} {p}
        the player runs {aw} {p}
        holding {aw} that is running {p}
        swinging {aw} {p}
        sawing {p}
        {aw} buzzes {p}
    """),
    "pickup": _lines("""
        picking up {ai}
        grab the {i}
        we take the {i} {p}
        i got {ai}
        collecting {ai} from the floor
        and we pick up the {i}
        step over the {i} to take it
        you hear a sound when the {i} is picked up
        now we have {ai}
        just found {ai} {p}
        snatching up the {i}
        we get {ai} here
        walking over {ai} picks it up
        {ai} goes into our pocket
        grabbing {ai}
        finding {ai}
        the player picks up {ai}
        somebody collects {ai}
        getting {ai} {p}
        taking {ai} from the ground
        we find {ai}
        we receive {ai}
        looting {ai}
        i collect the {i}
        i take {ai} with me
        the screen flashes as we take the {i}
        {ai} found {p}
        walking over the {i}
        the {i} is picked up
        picking up {an} it is {ai}
        collecting {an}
        grabbing {an} from the floor
        picking up {ai} {p}
        picking {ai} up from the floor {p}
        the player takes {ai} {p}
        the player walks over {ai} {p}
        the player collects {ai} {p}
        we grab {ai} {p}
        collecting {ai} {p}
        {ai} lies {p} and we take it
        walking up to {ai} and taking it {p}
        grabbing {ai} off the ground {p}
        finding {ai} {p}
        {ai} is taken {p}
        running to {ai} to pick it up
        somebody picks up {ai} {p}
        taking {an} {p} it is {ai}
    """),
    "door": _lines("""
        opening {ad}
        the {d} slides open
        we open the {d} {p}
        the {d} goes up with a grinding noise
        push the {d} open
        here the {d} opens
        you hear the {d} moving
        the {d} opens for us
        press use to open the {d}
        the {d} rises
        the {d} moves up
        {ad} opens {p}
        the player opens {ad}
        unlocking the {d}
        the sound of {ad} opening
        {ad} slides up slowly
        the {d} lifts and we see what is behind
        opening up {ad} {p}
        {ad} is being opened
        the way opens before us
        the {d} makes a noise as it opens
        {ad} going up {p}
        the player opens {ad} {p}
        {ad} opens and we can go in {p}
        {ad} slides upward {p}
        standing in front of {ad} as it opens
        walking up to {ad} and opening it
        the player comes to {ad} and it opens
        opening {ad} to the next room {p}
    """),
    "lift": _lines("""
        the {l} lowers
        calling the {l} {p}
        the {l} comes down
        the {l} moves with a mechanical hum
        the floor is moving down
        we activate the {l}
        hear the {l} rumble
        the {l} starts moving
        the {l} moves down
        {al} comes down for us
        the {l} goes down
        using {al} {p}
        the sound of {al}
        {al} in motion
        a wall sinks into the floor it is {al}
        the {l} sinks
        {al} is moving {p}
        taking the {l}
        {al} going down {p}
        {al} going up {p}
        the player rides {al} {p}
        standing on {al} as it moves
        the player uses {al} {p}
        going up and down on {al}
        {al} carries the player {p}
        the floor moves with us {p}
    """),
    "switch": _lines("""
        pressing {as}
        hit the {s}
        flipping {as} {p}
        push the {s}
        i press the {s} and hear a click
        the {s} clicks
        activating the {s} {p}
        using the {s}
        the {s} changes as i press it
        the player presses {as}
        pushing {as} {p}
        someone uses {as}
        the {s} is pressed
        turning on the {s}
        the click of {as}
        hitting {as}
        we use {as} {p}
        somebody pushes {as}
        the player pushes {as} {p}
        the player uses {as} on a wall
        pressing {as} {p}
        {as} is pushed {p}
        walking up to {as} and pressing it
        {as} on the wall is used {p}
        activating {as} {p}
    """),
    "teleport": _lines("""
        stepping into the {t}
        teleporting to another place
        we warp away {p}
        and we teleport
        the {t} takes us somewhere else
        a green flash and we are teleported
        zap we are gone through the {t}
        the {t} buzzes and sends us away
        beamed to a different room
        in one moment we jump to a new location
        green fire flashes as we teleport
        green and yellow sparks fill the screen
        going through {at}
        entering {at}
        we use the {t}
        the player teleports
        the {t} transports us to another room
        walking into {at} {p}
        the green light of the {t}
        being teleported by {at}
        travelling through {at}
        the screen turns green and yellow
        disappearing in {at}
        using {at}
        green fire all over the screen {p}
        a green and yellow flash {p}
        the player steps into {at} and is gone
        the player appears {p} in green flames
        green flames in front of us {p}
        teleporting {p} through {at}
        bright green light fills the picture {p}
        the player uses {at} {p}
        a flash of green light and a new place {p}
    """),
    "barrel": _lines("""
        the {b} explodes
        shooting {ab} {p}
        {ab} blows up with a loud bang
        boom goes the {b}
        a huge explosion {p}
        the {b} bursts into flames
        i blow up the {b} with the {w}
        the {w} makes the {b} explode
        big explosion from the {b}
        {ab} explodes {p}
        {ab} is blown up
        blowing up {ab}
        an explosion of fire and smoke
        {ab} goes up in flames
        a loud explosion
        the {b} detonates
        shooting at {ab} with {aw}
        the blast of {ab}
        {ab} blasts everything away
        shooting {ab} with {aw} {p}
        {ab} explodes after a shot {p}
        the player shoots {ab} {p}
        the player blows up {ab} with {aw}
        {ab} blows up {p}
        a ball of fire where {ab} stood
        {ab} explodes in fire {p}
        fire and an explosion {p}
        making {ab} explode with {aw}
    """),
    "death": _lines("""
        the player dies
        we got killed {p}
        i am dead
        screaming as we die
        collapsing to the floor dead
        the view tilts and we are dead
        game over we died
        a painful death {p}
        we die {p}
        the player is killed
        the hero dies
        we fall down dead
        dying {p}
        a death scream
        the player falls to the ground
        i just died
        we lost our life
        the screen turns red and we are dead
        somebody screams and dies
        killed in action
        the player is dying {p}
        the player drops dead {p}
        the player gets killed {p}
        the player falls to the floor and dies
        dying and looking up from the floor {p}
        the view falls to the floor as we die
        we are killed and lie on the ground {p}
        our life ends {p}
        the person playing dies {p}
        the character dies {p}
        the character falls down {p}
        losing the game {p}
        the camera falls as the player dies
        falling dead {p}
    """),
    "look": _lines("""
        {ao} {p}
        we look at {ao}
        this {o} stands here
        moving around {ao}
        here you see {ao} {p}
        circling {ao}
        nothing here except {ao}
        what a strange {o}
        the {o} up close
        admiring {ao}
        a closer view of the {o}
        the camera shows {ao}
        a view of {ao}
        watching {ao} {p}
        {ao} in the middle of the picture
        walking around {ao}
        {ao} in front of us
        standing next to {ao} {p}
        we see {ao}
        {ao} can be seen
        looking closely at {ao}
        {ao} stands {p}
        there is {ao} {p}
        we see {ao} {p}
        the player looks at {ao} {p}
        the player walks around {ao} {p}
        walking toward {ao} {p}
        {ao} in front of the player {p}
        going near {ao} {p}
        a quiet place {p} with {ao}
        {ao} and no enemies {p}
        a scene with {ao} {p}
    """),
    "explore": _lines("""
        walking {p}
        nothing but a quiet walk {p}
        running around {p}
        wandering {p}
        we are {p} now
        the camera moves slowly {p}
        no monsters here just walking {p}
        just exploring {p}
        it is calm and quiet {p}
        still {p}
        moving {p}
        running {p}
        exploring {p}
        a walk {p}
        somebody walks {p}
        the player moves {p}
        strolling {p}
        looking around {p}
        stepping {p}
        going forward {p}
        we find our way {p}
        nobody here as we walk {p}
        everything is peaceful {p}
        the player walks around {p}
        the player looks around {p}
        the player is {p}
        a calm walk without monsters {p}
        nothing happens {p}
        a place {p}
        going somewhere {p}
        no enemies just a walk {p}
        the view moves {p}
        a view of what it looks like {p}
    """),
}

AFTER: dict[str, tuple[str, ...]] = {
    "monster": _lines("""
        that {m} is really scary
        the {m} is still after us
        i do not want to fight {am} now
        we should get away from this {m}
        it keeps coming this {m}
        the {m} does not give up
        what a nasty {m}
        that was {am}
        still facing the {m} {p}
        beware of the {m}
        the {m} is still alive
        this {m} never stops
        {am} is one of the worst enemies
        we run and {am} follows
        still dodging the {m}
        i am afraid of {am}
        the {m} wants our blood
        {am} is very dangerous
        keep away from {am}
        the {m} comes even closer
        such an evil {m}
        this {c} is called {am}
        {am} is still {p}
        the {m} keeps attacking us {p}
        still {am} {p}
        {am} does not leave us alone {p}
    """),
    "fight": _lines("""
        the {m} takes a lot of damage
        still attacking the {m}
        keep attacking until the {m} falls
        more hits with the {w}
        this {m} is tough
        the {m} is badly wounded
        a few more hits on the {m}
        that is how you fight {am}
        the fight with the {m} goes on
        good thing we brought the {w}
        the {m} is hurt
        we keep fighting the {m}
        the {m} is strong
        it takes long to beat {am}
        hard fight against {am}
        the battle with {am} goes on
        continuing to attack the {m} with {aw}
        fighting on {p}
        the {c} takes damage
        still fighting {am} {p}
        we keep using {aw} against {am}
        {am} is hurt but keeps fighting {p}
        {aw} hurts {am} {p}
    """),
    "kill": _lines("""
        the {m} dies
        the {m} drops dead
        we killed the {m} with the {w}
        the dead {m} lies on the floor
        the {m} falls over and is dead
        one {m} less
        that finished the {m}
        the {m} is dead thanks to the {w}
        and down goes the {m}
        a dead {m} {p}
        the {m} bleeds out on the ground
        victory over the {m}
        killing {am}
        killing {am} with {aw}
        {am} gets killed
        {am} is killed by the {w}
        we defeated {am}
        the {m} collapses
        the {m} is destroyed
        {am} dies in front of us
        the death of {am}
        we won the fight against {am}
        finishing off {am}
        the {m} falls to the ground
        the {c} dies
        the {c} is dead
        killing {ac}
        we killed {ac}
        killing {am} {p}
        the {m} dies {p}
        {am} is killed {p}
        {am} is dead {p}
        the player kills {am}
        the player kills {am} with {aw}
        the player kills {ac} {p}
        we killed {am} {p}
        killing {am} with {aw} {p}
        {am} falls down dead {p}
        {m} killed
        {m} killed with {aw}
        {m} dead
        {m} dying
        dying {m}
        death of {am}
        dead {m}
        dead {c}
        {c} killed
        kill {am}
        {am} drops to the floor and dies
        {am} lies dead {p}
        {ac} is killed {p}
        {ac} dies {p}
        the {w} kills the {m}
        the enemy is dead
        an enemy is killed
        somebody kills {am} {p}
        the fight is over and {am} is dead
    """),
    "fire": _lines("""
        that was loud
        that is the {w} for you
        what a powerful {w}
        that was {aw}
        no enemy around just the {w}
        so much for the {w}
        this {w} sounds great
        the echo of the {w}
        we tested {aw}
        nobody was hit by the {w}
        there was nobody to attack
        i like the sound of this {w}
        so that is how {aw} works
        done with the {w}
        playing with {aw} is fun
        only the wall was hit by the {w}
    """),
    "fire_Fist": _lines("""
        no gun just {w}
        nobody to hit here
        he lowers his hands again
        that wall is harder than my {w}
        enough boxing for today
        hardly a sound when i punch
        no weapon only {w}
        we punched the wall with {w}
        that hurts the hands
        boxing with {w} is silent
        no enemy to punch
    """),
    "pickup": _lines("""
        that was {ai}
        the {i} is ours now
        great we have the {i}
        good to have {ai}
        the {i} will help us later
        i always take {ai} when i find one
        moving on with {ai}
        that {i} came just in time
        we picked up {ai}
        we collected {ai} {p}
        i now own {ai}
        we found {ai}
        lucky to find {ai}
        we have {ai} with us
        {ai} is very useful
        i took {ai}
        that {n} was {ai}
        the {n} is ours
        got the {i} and moving on
        {ai} was found {p}
        we took {ai} {p}
        the player now has {ai}
        {ai} was lying {p}
    """),
    "door": _lines("""
        we go through the {d}
        we walk through the open {d}
        behind the {d} is another room
        now the way is free
        on the other side of the {d}
        stepping into the next room
        the {d} is open now
        passing through {ad}
        walking through {ad}
        we enter the next room
        the open {d} lets us in
        inside the next room behind the {d}
        leaving the {d} behind us
    """),
    "lift": _lines("""
        standing by the {l} {p}
        the {l} is down now
        stepping onto the {l}
        the {l} will go back up soon
        that is how the {l} works
        riding the {l}
        riding the {l} up
        up we go on the {l}
        the {l} carries us to the top
        the {l} lifts us higher
        we ride the {l}
        going up with the {l}
        the {l} takes us up
        the {l} moves up and down
        we step on the {l}
    """),
    "switch": _lines("""
        the {s} is on now
        something opened somewhere
        that {s} did something
        the light on the {s} has changed
        somewhere a mechanism starts to move
        we pressed {as}
        the {s} is activated
        something happened when we used the {s}
        that was {as}
        the {s} has been pushed
        now the {s} looks different
    """),
    "teleport": _lines("""
        now we are somewhere else
        we come out of the {t}
        arrived in a new place
        this is the other side of the {t}
        everything looks different after the {t}
        the {t} brought us here
        where are we now
        we were teleported
        we arrive in another room
        the teleport worked
        we left the {t}
        coming out in a different place
        we have changed places with {at}
        the green light fades after the teleport
    """),
    "barrel": _lines("""
        nothing left of the {b}
        the {b} is gone
        smoke after the explosion
        that was a big bang
        stay back when {ab} explodes
        what an explosion
        the {b} is destroyed
        we blew up {ab}
        {ab} has exploded
        fire and smoke where the {b} was
        such a loud explosion
        the {b} was blown to pieces
    """),
    "death": _lines("""
        lying dead on the floor
        the view sinks to the ground
        the camera drops to the floor
        that is the end of us
        we have to start again
        the dead player lies on the ground
        we are dead
        game over
        the player is dead
        our life is over
        lying on the ground after dying
        we lost
        i died {p}
        the player lies dead {p}
        the player is dead {p}
        the character is dead
        dead on the floor {p}
        we see the room from the floor
        lying on the ground dead {p}
        the view from the ground after dying
        this is the end of the player {p}
        the game is lost
        our dead body lies {p}
    """),
    "look": _lines("""
        so that was {ao}
        still looking at {ao}
        {ao} belongs to the scenery
        nice {o}
        we leave the {o} behind us
        what a nice {o}
        that {o} is part of the level
        the {o} just stands there
        {ao} and nothing else
        we have seen {ao}
        an interesting {o}
        the {o} {p}
        {ao} stood {p}
        the player leaves {ao} behind {p}
        {ao} is all there is {p}
    """),
    "explore": _lines("""
        we keep walking {p}
        there is more to see {p}
        nobody to be seen {p}
        that was a peaceful walk {p}
        further along {p}
        still walking {p}
        we continue {p}
        we have walked {p}
        still moving around {p}
        walking on and on {p}
        no enemies {p}
    """),
}
# Walking on what burns.
AFTER["hurt"] = AFTER["explore"] + _lines("""
    ouch it burns our feet {p}
    we get hurt {p}
    losing health {p}
    it hurts to stand {p}
    taking damage {p}
    it is dangerous to walk {p}
    this ground is not healthy {p}
""")

# What one would type to find the clip.
SHORT: dict[str, tuple[str, ...]] = {
    "monster": _lines("""
        {m}
        {m}
        {am}
        {m} {p}
        {m} attacking
        {m} attacks
        close up of {am}
        {m} coming closer
        {m} chasing the player
        {m} seen from the front
        angry {m}
        {am} {p}
        {c} attack
        attacking {m}
        picture of {am}
        {m} moving toward the camera
        {m} sound
        {m} attacking {p}
        {m} walking {p}
        {m} coming toward us {p}
        {am} attacking the player {p}
        {m} standing {p}
        player attacked by {am}
        {c} {p}
    """),
    "fight": _lines("""
        {m}
        {m} fight
        {m} and {w}
        {w} against {m}
        fighting {am}
        attacking {am}
        {m} getting hit
        {m} hit by {aw}
        {m} {p}
        {w} {p}
        player fighting {am}
        fight with {am}
        {c} fight
        {m} wounded
        {am} in combat
        {w} attack on {am}
        {w} {m} {p}
        {m} {w}
        fighting {am} {p}
        {m} attacked with {aw}
        {m} fight {p}
        fighting {am} with {aw}
        {m} hurt by {aw} {p}
        bleeding {m}
    """),
    "fight_gun": _lines("""
        shooting {am}
        shooting at {am} {p}
        {m} being shot
        {m} shot with {aw}
        player shooting {am}
        shots at {am}
        gun fight with {am}
        shooting {am} with {aw}
        shooting {m} {p}
        {m} shot {p}
        firing {aw} at {am}
        player shooting {am} with {aw}
    """),
    "fight_Fist": _lines("""
        punching {am}
        {m} being punched
        boxing with {am}
        fist fight with {am}
        player punching {am}
        punching {am} {p}
        {m} punched {p}
        hitting {am} with {w}
    """),
    "fight_Chainsaw": _lines("""
        sawing {am}
        cutting {am}
        {m} cut with {aw}
        {m} being cut to pieces
        player cutting {am} with {aw}
        {m} {w} {p}
        sawing {am} {p}
        cutting {am} with {aw} {p}
    """),
    "fire": _lines("""
        {w}
        {w}
        {aw}
        {w} sound
        {w} firing
        firing {aw}
        someone firing {aw}
        person shooting {aw}
        shooting with {aw}
        {w} shot
        {w} shooting {p}
        {w} noise
        sound of {aw}
        {w} fire
        {w} in use
        first person view of {aw}
        gunfire from {aw}
        shooting at the wall with {aw}
        {w} {p}
        {w} firing {p}
        firing {aw} {p}
        player firing {aw} {p}
        shooting {aw} {p}
        {w} shots
        person firing {aw} at a wall
    """),
    "fire_Fist": _lines("""
        {w}
        punching
        punch
        boxing
        punching with {w}
        fist punch
        player punching with {w}
        hitting with {w}
        hand to hand fighting
        fists in the air
        unarmed player punching
        punching {p}
        player punching {p}
        {w} {p}
        hand punching
        punching a wall {p}
    """),
    "fire_Chainsaw": _lines("""
        {w}
        {aw}
        {w} sound
        {w} running
        {w} noise
        sawing
        sound of {aw}
        someone using {aw}
        cutting with {aw}
        {w} engine
        {w} roaring
        {w} {p}
        sawing with {aw} {p}
        using {aw} {p}
        player using {aw}
    """),
    "pickup": _lines("""
        {i}
        {i}
        {ai}
        {ai} on the floor
        {i} on the ground
        {i} pickup
        picking up {ai}
        {i} {p}
        finding {ai}
        getting {ai}
        taking {ai}
        collecting {ai}
        grabbing {ai}
        player takes {ai}
        {i} found
        {n} pickup
        picking up {ai} {p}
        {i} lying {p}
        {i} on the floor {p}
        player picking up {ai}
        taking {ai} {p}
        collecting {ai} {p}
        {ai} {p}
        player getting {ai} {p}
    """),
    "door": _lines("""
        {d}
        {d} opening
        opening {ad}
        {d} opens
        {d} sliding up
        going through {ad}
        {ad} {p}
        {d} sound
        open {d}
        {ad} opens
        opening {ad} {p}
        {d} opening {p}
        player opening {ad}
        walking through {ad}
        {d} going up
    """),
    "lift": _lines("""
        {l}
        {l} moving
        riding {al}
        {l} going down
        {al} {p}
        {l} sound
        using {al}
        {l} ride
        moving {l}
        riding {al} {p}
        {l} going up
        player on {al}
        {l} moving {p}
        going up on {al}
    """),
    "switch": _lines("""
        {s}
        pressing {as}
        {s} pressed
        pushing {as}
        {as} {p}
        {s} click
        using {as}
        {s} being pushed
        pressing {as} {p}
        player pressing {as}
        pushing {as} {p}
        {s} on a wall
    """),
    "teleport": _lines("""
        {t}
        {t} flash
        teleporting
        going through {at}
        {at} {p}
        green flash
        green teleport flash
        using {at}
        {t} effect
        stepping into {at}
        green fire on the screen
        {t} sound
        teleporting {p}
        player teleporting
        green and yellow flash
        green flames
        player going through {at}
        green flash {p}
    """),
    "barrel": _lines("""
        {b}
        explosion
        {b} explosion
        exploding {b}
        {ab} blowing up
        big explosion
        {ab} {p}
        shooting {ab}
        {b} blowing up
        loud explosion
        blast
        {b} exploding {p}
        shooting {ab} with {aw}
        {w} {b}
        explosion {p}
        player blowing up {ab}
        {b} on fire
    """),
    "death": _lines("""
        player death
        dying
        player dies
        player killed
        game over
        dead player
        death scene
        falling down dead
        player dying {p}
        first person death
        player dying
        player killed {p}
        player death {p}
        player falls dead
        character dies
        character dying {p}
        dying {p}
        getting killed
        view from the floor after death
        lying dead {p}
    """),
    "look": _lines("""
        {o}
        {o}
        {ao}
        {o} {p}
        close up of {ao}
        view of {ao}
        {o} up close
        looking at {ao}
        standing in front of {ao}
        picture of {ao}
        {o} seen from near
        {ao} {p}
        {o} standing {p}
        walking around {ao}
        looking at {ao} {p}
        view of {ao} {p}
        walking up to {ao}
        {o} and no monsters
    """),
    "explore": _lines("""
        {p}
        walking {p}
        walk {p}
        player {p}
        player walking {p}
        view {p}
        exploring {p}
        running {p}
        quiet walk {p}
        moving {p}
        person walking {p}
        somebody {p}
        place {p}
        scene {p}
        looking around {p}
        player moving {p}
        walking around {p}
        game level {p}
    """),
}

# What the player sees whatever the event is.
SCENERY = _lines("""
    we are {p}
    here we are {p}
    standing {p}
    this part takes place {p}
    looking around {p}
    back {p}
    a place {p}
    {p}
    the player is {p}
    all this happens {p}
    a scene {p}
    this is filmed {p}
    this scene is {p}
    the scene shows the player {p}
    everything happens {p}
    you can see that we are {p}
    somewhere {p}
    playing {p}
    we find ourselves {p}
    moving along {p}
    the game character is {p}
    first person view {p}
    game scene {p}
""")
HOLDING = _lines("""
    carrying {aw} {p}
    with {aw} in our hands
    walking with {aw}
    you see {aw} at the bottom of the picture
    armed with {aw}
    the player holds {aw}
    holding {aw}
    {aw} in hand
    our weapon is {aw}
    player with {aw}
    the player walks {p} with {aw}
    the player is armed with {aw}
    {aw} is seen from behind
    {aw} pointed ahead {p}
    first person view with {aw}
    carrying {aw}
    {aw} in the hands of the player
""")
SEEING = _lines("""
    there is {ao} in the background
    next to {ao}
    near {ao}
    we pass {ao}
    {ao} stands over there
    {ao} can be seen too
    {ao} beside us
    {ao} in view
    a place with {ao}
    {ao}
    {ao} is near {p}
    there is {ao} {p}
    {ao} {p}
    you can see {ao} {p}
    one sees {ao} in this place
    the player is close to {ao}
    {o} in the background
    walking past {ao} {p}
    with {ao} in sight
    {ao} not far away
""")
# The event beside a decoration, by kind of scene; the rest of the kinds have SEEING alone.
BESIDE: dict[str, tuple[str, ...]] = {
    "monster": _lines("""
        {am} attacks next to {ao}
        {am} near {ao} {p}
        {am} and {ao}
        {am} stands close to {ao}
        {m} next to {ao}
        {m} and {o} {p}
        there is {am} beside {ao} {p}
    """),
    "fight": _lines("""
        fighting {am} next to {ao}
        a fight with {am} near {ao}
        using {aw} against {am} near {ao}
        {m} and {o}
        fighting {am} {p} beside {ao}
        {am} gets hit next to {ao}
    """),
    "pickup": _lines("""
        picking up {ai} next to {ao}
        {ai} lies near {ao}
        taking {ai} beside {ao} {p}
        {i} and {o}
        {ai} close to {ao}
        we find {ai} near {ao}
    """),
    "fire": _lines("""
        using {aw} near {ao}
        the player uses {aw} next to {ao}
        {w} and {o}
        {ao} can be seen as we use {aw}
    """),
    "explore": _lines("""
        walking past {ao}
        walking near {ao} {p}
        {o} {p}
        the player walks toward {ao}
        a walk {p} with {ao} in view
        we come by {ao} {p}
    """),
}
# Where a clip shows two places.
TWO_PLACES = _lines("""
    {p} {q}
    we are {p} and {q}
    the player is {p} {q}
    a scene {p} and {q}
    it is {p} and {q}
    walking {p} and {q}
    this happens {p} {q}
    standing {p} {q}
    the player moves {p} {q}
""")

# Off the topic, as real speakers are.
VAGUE = _lines("""
    okay let us keep going
    thanks for watching everybody
    welcome back to my channel
    please like and subscribe
    this level is huge
    i have played this game for many years
    i think i was here before
    let me drink some coffee first
    that reminds me of last week
    hold on a second
    where was i going again
    my computer is getting slow today
    this map was made by a talented author
    do you remember the original game
    sorry about the background noise
    i forgot what i wanted to say
    the music is turned off in this video
    as always leave a comment below
    it is getting late but one more try
    we will see what happens
    you never know what comes next
    i love this part
    nice graphics for such an old game
    everything is free and open source
    my friend told me about a secret area
    this took me three attempts yesterday
    let me think about it for a moment
    easy does it
    so far so good
    wait what was that
    alright then
    maybe we should save our progress
    we still have plenty of time
    not sure if this is the right way
    come on hurry up
    let us continue our adventure
    patience is important in this game
    difficulty is set to normal
    who designed this crazy place
    the weather is lovely outside my window
    speaking of which dinner is almost ready
    i will explain that later
    in the last episode we did the same thing
    remember to breathe
    good morning and hello again
    today we play another chapter
    quick reminder the next stream starts on friday
    my keyboard makes funny sounds
    what a day
    interesting architecture around here
    keep your eyes open
    everything fine until now
    honestly i am a little nervous
    it feels like a maze
    perhaps there is treasure nearby
    somebody asked about my mouse settings
    forget the plan and improvise
""")
