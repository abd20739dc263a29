"""The templates that count where nobody wrote another. Plain ones give a member of a list on each line."""

from collections.abc import Mapping

from wcsync.mappers.courses.fields import Field

TEMPLATES: Mapping[Field, str] = {
    Field.NAME: "{{ course.name }}",
    Field.DESCRIPTION: """
{%- for course in courses %}
{% if courses|length > 1 and course.name %}<h2>{{ course.name }}</h2>{% endif %}
{{ course.description }}
{% if course.authors %}
<p><strong>{{ words.author if course.authors|length == 1 else words.authors }}:</strong> {{ course.authors|joined }}</p>
{% endif %}
{% if course.skills %}
<h3>{{ words.skills }}</h3>
<ul>{% for skill in course.skills %}<li>{{ skill }}</li>{% endfor %}</ul>
{% endif %}
{% if course.modules %}
<h3>{{ words.modules }}</h3>
{% for section in course.sections %}
{% if section.title %}<h4>{{ section.title }}</h4>{% endif %}
<ul>
{% for module in section.modules %}
<li>{{ module.title }}{% if module.duration %} ({{ module.duration }}){% endif %}</li>
{% endfor %}
</ul>
{% endfor %}
{% endif %}
{% endfor %}
""",
    Field.SHORT_DESCRIPTION: "{{ course.description|opening }}",
    Field.TAGS: "{% for skill in skills %}{{ skill }}\n{% endfor %}",
    Field.CATEGORIES: "{% for course in courses %}{{ course.category }}\n{% endfor %}",
}

ATTRIBUTES: Mapping[str, str] = {
    "author": "{% for author in authors %}{{ author }}\n{% endfor %}",
    "skills": "{% for skill in skills %}{{ skill }}\n{% endfor %}",
    "level": "{% for course in courses %}{{ course.level }}\n{% endfor %}",
    "duration": "{{ duration }}",
    "language": "{% for course in courses %}{{ course.language }}\n{% endfor %}",
}
"""By the word (in `Words`) that names the attribute."""
