"""MySQL and MariaDB, by aiomysql or asyncmy."""
