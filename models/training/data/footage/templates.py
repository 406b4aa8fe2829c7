"""Sentence patterns of the narrations, by kind of scene and by when they are spoken (before, at, after the event).

Slots: {m} monster, {w} weapon, {i} item, {o} decoration, each with its article as {am}, {aw}, {ai}, {ao}; {p} where.
Lines that name nothing of the clip's subject are vague on purpose: real speakers talk so too.
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
        this is where {am} usually hides
        turn around slowly and you find {am}
        so this guy is called {am}
        we meet {am} {p}
        i see {am} straight ahead
        let me show you what {am} looks like
    """),
    "fight": _lines("""
        i have my {w} ready for this {m}
        there is {am} and all i carry is {aw}
        {am} stands in our way {p}
        let us test the {w} on {am}
        time to fight {am}
        get the {w} out because {am} is coming
        aim the {w} carefully at the {m}
        our next enemy is {am}
        loading the {w} while {am} walks toward us
        watch how i deal with {am} using the {w}
        first wait until the {m} comes closer
        {am} blocks the path so we prepare the {w}
    """),
    "pickup": _lines("""
        there is {ai} on the ground
        i can see {ai} {p}
        look somebody left {ai} here
        next we want to get {ai}
        right in front of us lies {ai}
        this little thing is {ai}
        i was hoping to find {ai}
        do not forget {ai} {p}
        we really need {ai}
        let us walk over to {ai}
        {ai} just sitting on the floor
        spotted {ai} ahead
        this is what {ai} looks like
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
    """),
    "door": _lines("""
        there is a door in front of us
        we come up to a closed door {p}
        this door is shut
        walking toward a big door
        let us see what is behind this door
        the way forward is through that door
        facing a closed gate {p}
        we need to open this door
        standing before a locked entrance door
    """),
    "lift": _lines("""
        there is a platform in front of us
        we need to take the lift
        this wall is really an elevator
        the lift is up so we must call it
        walking to the lift {p}
        waiting for an elevator
        how do we get up there
        you reach the upper floor with this lift
    """),
    "switch": _lines("""
        there is a switch on the wall
        i see a button {p}
        walk up to the control panel
        this switch must do something
        let us find out what this button does
        a panel with a switch in front of us
        looking at a switch on the wall
        we approach the wall switch
    """),
    "teleport": _lines("""
        there is a teleporter ahead
        walk onto the teleporter pad
        we go for the portal
        the red pad on the floor is a teleporter
        let us take the teleporter {p}
        stepping toward the portal {p}
        where does this teleporter lead
        a teleport pad right before us
        about to enter the portal
    """),
    "barrel": _lines("""
        there is a barrel in front of us
        see that explosive barrel {p}
        never stand close to these barrels
        i aim the {w} at a barrel
        an exploding barrel full of fuel
        a barrel is a bomb waiting to go off
        let us shoot this barrel with the {w}
        one barrel standing {p}
    """),
    "death": _lines("""
        this will not end well
        i am in trouble {p}
        our health is almost gone
        we are about to die
        walking around {p} with little health
        that is a bad place to be
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
    """),
}

AT: dict[str, tuple[str, ...]] = {
    "monster": _lines("""
        {am} is coming at us
        watch out there is {am}
        {am} attacks {p}
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
    """),
    "fight": _lines("""
        shooting the {m} with the {w}
        fighting {am} with {aw}
        i take out the {w} and attack the {m}
        hitting the {m} with the {w} {p}
        {am} gets hit by the {w}
        using the {w} against {am}
        my {w} hurts the {m}
        a battle with {am} {p}
        attack the {m} now
        the {m} fights back
        giving this {m} everything with the {w}
        we attack {am} using {aw}
        the {w} works well against {am}
        blood everywhere as we battle the {m}
        take that you {m}
        keep the {w} pointed at the {m}
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
        bang bang goes the {w}
        the muzzle flash of the {w}
        shots from {aw} echo through the place
        emptying the {w} {p}
        wasting ammo with the {w}
    """),
    "fire_Fist": _lines("""
        punching the wall with {w}
        he swings his {w} at the wall
        throwing punches with {w} {p}
        boxing against the wall with {w}
        hitting the stone with {w}
        left and right punch
        a fist comes from the left then from the right
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
    """),
    "door": _lines("""
        opening a door
        the door slides open
        we open the door {p}
        the door goes up with a grinding noise
        push the door open
        here the door opens
        you hear the door moving
        the gate opens for us
        press use to open the door
    """),
    "lift": _lines("""
        the platform lowers
        calling the elevator {p}
        the lift comes down
        the elevator moves with a mechanical hum
        the floor is moving down
        we activate the lift
        hear the lift machinery rumble
        the platform starts moving
    """),
    "switch": _lines("""
        pressing a switch
        hit the switch on the wall
        flipping a button {p}
        push the button
        i press the button and hear a click
        the switch clicks
        activating the switch {p}
        using the wall switch
        the panel changes as i press it
    """),
    "teleport": _lines("""
        stepping into the teleporter
        teleporting to another place
        we warp away {p}
        and we teleport
        the portal takes us somewhere else
        a green flash and we are teleported
        zap we are gone through the portal
        the teleporter buzzes and sends us away
        beamed to a different room
        in one moment we jump to a new location
    """),
    "barrel": _lines("""
        the barrel explodes
        shooting an explosive barrel {p}
        a barrel blows up with a loud bang
        boom goes the barrel
        a huge explosion {p}
        the barrel bursts into flames
        i blow up the barrel with the {w}
        the {w} makes the barrel explode
        big explosion from the barrel
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
    """),
    "fight": _lines("""
        the {m} takes a lot of damage
        still shooting at the {m}
        keep attacking until the {m} falls
        the {w} needs more hits
        this {m} is tough
        the {m} is badly wounded
        almost there just a few more hits on the {m}
        that is how you fight {am}
        the fight with the {m} goes on
        good thing we brought the {w}
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
    """),
    "fire": _lines("""
        that was loud
        i stop using the {w}
        that is the {w} for you
        the {w} is quiet again
        what a powerful {w}
        that was {aw}
        no enemy around just the {w}
        putting the {w} to rest
        so much for the {w}
    """),
    "fire_Fist": _lines("""
        no gun just {w}
        nobody to hit here
        he lowers his hands again
        that wall is harder than my {w}
        enough boxing for today
        hardly a sound when i punch
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
    """),
    "door": _lines("""
        we go through the door
        we walk through the open door
        behind the door is another room
        now the way is free
        on the other side of the door
        stepping into the next room
        the door closes behind us
    """),
    "lift": _lines("""
        standing by the lift {p}
        the platform is down now
        stepping onto the platform
        the lift will go back up soon
        that is how the elevator works
    """),
    "ride": _lines("""
        riding the lift up
        up we go on the elevator
        the elevator carries us to the top
        the platform lifts us higher
        we ride the elevator
    """),
    "switch": _lines("""
        the switch is on now
        something opened somewhere
        that button did something
        the light on the switch has changed
        somewhere a mechanism starts to move
    """),
    "teleport": _lines("""
        now we are somewhere else
        we come out of the teleporter
        arrived in a new place
        this is the other side of the portal
        everything looks different after the teleport
        the teleporter brought us here
        where are we now
    """),
    "barrel": _lines("""
        nothing left of the barrel
        the barrel is gone
        smoke after the explosion
        that was a big bang
        stay back when barrels explode
        what an explosion
    """),
    "death": _lines("""
        lying dead on the floor
        the view sinks to the ground
        the camera drops to the floor
        that is the end of us
        we have to start again
        the dead player lies on the ground
    """),
    "look": _lines("""
        so that was {ao}
        still looking at {ao}
        {ao} belongs to the scenery
        nice {o}
        we leave the {o} behind us
    """),
    "explore": _lines("""
        we keep walking {p}
        there is more to see {p}
        nobody to be seen {p}
        that was a peaceful walk {p}
        further along {p}
    """),
    "hurt": _lines("""
        ouch it burns our feet {p}
        we get hurt {p}
        losing health {p}
        it hurts to stand {p}
        groaning with pain {p}
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
""")
HOLDING = _lines("""
    carrying {aw} {p}
    with {aw} in our hands
    walking with {aw}
    you see {aw} at the bottom of the picture
    armed with {aw}
""")
SEEING = _lines("""
    there is {ao} in the background
    next to {ao}
    near {ao}
    we pass {ao}
    {ao} stands over there
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
