"""The mirror's judgement: course → wanted fields → decisions → patch. Pure."""
