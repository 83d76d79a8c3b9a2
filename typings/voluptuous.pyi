"""What `import voluptuous` brings under Home Assistant: probatio, under the old name."""

from probatio import *
