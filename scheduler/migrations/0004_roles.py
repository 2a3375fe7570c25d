"""The two roles of the console: who looks, and who acts."""

from django.db import migrations

_LOOK = ("view_console", "Can look at the operator console")
_ACT = ("operate_console", "Can act in the operator console")
_ROLES = {"Console viewer": (_LOOK,), "Operator": (_LOOK, _ACT)}


def add_roles(apps, schema_editor):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="scheduler", model="reading"
    )
    permissions = apps.get_model("auth", "Permission").objects
    for role, rights in _ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
        for codename, name in rights:
            found, _ = permissions.get_or_create(
                content_type=kind, codename=codename, defaults={"name": name}
            )
            group.permissions.add(found)


class Migration(migrations.Migration):
    dependencies = [
        ("scheduler", "0003_guard_acts"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(add_roles, migrations.RunPython.noop)]
