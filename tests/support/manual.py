"""A small manual to search in, and what people ask of it: none of it changes with this project."""

PAGES = {
    "engine.md": """# The engine
Before the first start of the day, look at the oil level: it stands between the two marks of the dipstick.
Turn the key to the left and wait until the glow lamp goes out, which takes longer in frost. If the starter
turns and nothing fires, bleed the fuel line at the filter.""",
    "hydraulics.md": """# Hydraulics
The boom, the stick and the bucket are moved by cylinders. A cylinder that sinks under load has a worn seal.
Never search for a leak with your bare hand: oil under pressure goes through skin. Change the fluid after two
thousand hours.""",
    "tracks.md": """# Tracks
A track hangs through by three fingers in the middle. Tighten it with the grease gun at the idler; slacken it
at the valve beside it. Clean out stones and clay in the evening, before they freeze.""",
    "cabin.md": """# The cabin
The seat is set to the driver's weight with the wheel under its front edge. The heater takes its warmth from
the coolant. Whoever leaves the cabin folds the left armrest up: that locks every lever.""",
    "lifting.md": """# Lifting
The table on the door tells what may hang from the hook at which reach. Nobody stands under what hangs there.
A second person, who can see load and driver, gives the signs.""",
    "transport.md": """# Transport
On the low loader the machine stands with its boom to the rear, chained at four points. Its height on the
trailer is to be measured before the first bridge. The battery switch is off on the road.""",
    "winter.md": """# Standing still for months
Fill the tank, so that no water gathers in it. Take the battery out and keep it charged in a dry place. Grease
the bare piston rods, since rust there ruins the seals in spring.""",
    "insurance.md": """# Papers
Damage is told to the insurer within a week, with photographs and the number on the plate. Theft is told to
the police first. The yearly inspection is noted in the book that lies behind the seat.""",
}

QUESTIONS = {
    "where should the oil level stand on the dipstick?": "engine.md",
    "why does the boom sink under load?": "hydraulics.md",
    "how do I tighten a track that hangs through?": "tracks.md",
    "what locks the levers when I leave the cabin?": "cabin.md",
    "what may hang from the hook?": "lifting.md",
    "how is the machine chained on the trailer?": "transport.md",
    "where do I keep the battery when it stands still for months?": "winter.md",
    "whom must I tell of a theft?": "insurance.md",
}
"""A question in a person's words, and the page that answers it."""
